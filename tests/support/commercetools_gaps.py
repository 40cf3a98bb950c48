"""What `@labdigital/commercetools-mock` 4.4.0 does otherwise, by the name of the test that shows it.

A name in brackets means one case of a test. Everything else in the suite runs against both servers.
"""

from __future__ import annotations

_NO_UNIQUENESS = "nothing is unique: duplicates are stored"
_NO_FIELD_CHECKS = "custom fields are not checked against their type"
_NOT_SET_ONCE = "what is set once can be set again"
_NO_TYPE_CHECKS = "types are stored as they come"
_NO_SCOPES = "scopes are neither granted nor checked"
_NO_VALIDATION = "unknown names and values are stored as they come"
_NO_ROUTE = "the resource is missing"
_SUBSCRIPTIONS = "subscriptions are stored as they come; the one action is setKey; there is no health"

_VALUE = "test_the_value_of_a_custom_field_is_of_the_fields_type"
_UNKNOWN_TRANSACTION = "test_an_unknown_transaction_is_refused"

KNOWN_GAPS: dict[str, str] = {
    "test_a_payment_keeps_the_interface_id_of_its_draft": "a draft's interfaceId and anonymousId are dropped",
    "test_a_body_that_is_not_json_is_refused": "answers 500",
    "test_an_unknown_currency_is_refused": _NO_VALIDATION,
    "test_a_field_that_the_platform_does_not_know_is_refused": _NO_VALIDATION,
    "test_an_action_that_changes_nothing_needs_the_right_version_too": "a stale version passes where nothing changes",
    "test_a_deletion_wants_the_version": "deletes any version",
    "test_a_deletion_without_a_version_is_refused": "deletes without a version",
    "test_a_key_is_unique": _NO_UNIQUENESS,
    "test_of_many_payments_with_one_key_one_is_made": _NO_UNIQUENESS,
    "test_an_interface_id_is_unique_within_its_interface": _NO_UNIQUENESS,
    "test_an_interface_id_is_set_once": _NOT_SET_ONCE,
    "test_an_interface_is_set_once": _NOT_SET_ONCE,
    "test_an_interface_id_of_a_transaction_is_unique_everywhere": _NO_UNIQUENESS,
    "test_an_action_sets_its_field[mock-setCustomer]": "customers are modelled, so this one would have to exist",
    "test_a_time_with_another_offset_is_kept_in_utc": "times are stored as they come",
    "test_a_misspelt_field_of_an_action_is_refused": _NO_VALIDATION,
    f"{_UNKNOWN_TRANSACTION}[mock-changeTransactionState]": "an unknown transaction is ignored, the version rises",
    f"{_UNKNOWN_TRANSACTION}[mock-changeTransactionInteractionId]": "an unknown transaction is ignored",
    f"{_UNKNOWN_TRANSACTION}[mock-changeTransactionTimestamp]": "an unknown transaction is ignored",
    "test_an_unknown_type_or_state_of_a_transaction_is_refused": _NO_VALIDATION,
    "test_custom_fields_are_kept_wherever_a_payment_may_have_them[mock-payment-method-info]": "dropped from the draft",
    "test_a_type_for_something_else_is_refused": _NO_FIELD_CHECKS,
    "test_a_field_that_the_type_does_not_have_is_refused": _NO_FIELD_CHECKS,
    "test_a_required_field_must_be_there": _NO_FIELD_CHECKS,
    _VALUE: _NO_FIELD_CHECKS,
    "test_an_enum_takes_its_keys_alone": _NO_FIELD_CHECKS,
    "test_unequal_may_be_written_in_two_ways": "`<>` is not understood",
    "test_a_text_may_hold_escaped_quotes": "the escape is kept as a part of the text",
    "test_an_unknown_field_in_a_predicate_is_refused": "an unknown field finds nothing",
    "test_the_total_is_left_out_where_nobody_wants_it": "the total is always there",
    "test_results_are_sorted_as_asked": "`sort` is ignored",
    "test_a_page_has_its_limits": "there are no limits",
    "test_a_payment_is_on_one_active_cart_at_most": "a payment may be on any number of carts",
    "test_an_ordered_cart_changes_no_more": "a cart stays Active when it is ordered",
    "test_an_order_wants_the_carts_version": "orders a cart at any version",
    "test_a_token_says_how_long_it_lasts_and_what_for": _NO_SCOPES,
    "test_a_wrong_secret_is_refused": "any secret is good",
    "test_a_client_gets_no_scope_that_it_does_not_have": _NO_SCOPES,
    "test_a_scope_that_is_not_enough_is_403": _NO_SCOPES,
    "test_a_scope_of_another_project_is_not_enough": _NO_SCOPES,
    "test_introspection_tells_whose_a_token_is": _NO_ROUTE,
    "test_introspection_is_for_those_who_may": _NO_ROUTE,
    "test_a_field_is_not_added_twice": _NO_TYPE_CHECKS,
    "test_a_type_key_is_unique": _NO_UNIQUENESS,
    "test_fields_of_one_name_have_one_type_in_all_types": _NO_TYPE_CHECKS,
    "test_a_type_that_cannot_be_is_refused": _NO_TYPE_CHECKS,
    "test_a_type_in_use_is_not_deleted": _NO_TYPE_CHECKS,
    "test_a_type_is_changed_bit_by_bit": "has no changeKey",
    "test_a_custom_object_with_a_stale_version_is_409": "overwrites any version",
    "test_version_0_makes_a_custom_object_and_never_replaces_one": "overwrites at version 0",
    "test_a_payment_method_is_kept_for_its_customer": _NO_ROUTE,
    "test_a_subscription_is_platform_and_healthy_unless_told_otherwise": _SUBSCRIPTIONS,
    "test_a_subscription_key_is_unique": _NO_UNIQUENESS,
    "test_a_subscription_hears_of_other_things_and_goes_elsewhere": _SUBSCRIPTIONS,
    "test_a_subscription_that_cannot_be_is_refused": _SUBSCRIPTIONS,
    "test_a_payment_goes_from_state_to_state": "any transition is possible",
    "test_a_session_is_for_one_cart": _NO_ROUTE,
}
