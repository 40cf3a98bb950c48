"""What travels between processes: messages, topics, and the publisher and subscriber on Google Pub/Sub."""
