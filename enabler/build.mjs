// Writes public/, or the folder that is named: the library as a module and as a script with the global `Connector`,
// their source maps, the declarations for TypeScript, and the inventory with a hash and a reason for each.

import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { execFileSync } from "node:child_process";
import * as esbuild from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));
const OUT = process.argv[2] ?? join(HERE, "public");
const TARGET = ["es2022", "chrome105", "firefox121", "safari16.4"];

// Why a payment page has the file (PCI DSS 6.4.3 asks for this of every script).
const REASONS = {
  "connector-enabler.es.js": "The library as an ES module: shows the PSP's fields and tells the connector to pay.",
  "connector-enabler.umd.js": "The same as a plain script, with the global Connector.",
  "connector-enabler.es.js.map": "For debuggers: the module's sources. Browsers load it only there.",
  "connector-enabler.umd.js.map": "For debuggers: the script's sources. Browsers load it only there.",
};

// Shops have CommonJS and AMD loaders, and pages without either.
const UMD = {
  js: [
    '(function(root,make){if(typeof module==="object"&&module.exports)module.exports=make();',
    'else if(typeof define==="function"&&define.amd)define([],make);else root.Connector=make()})',
    '(typeof self!=="undefined"?self:this,function(){var module={exports:{}};',
  ].join(""),
};

/** Stylesheets become text, without what only we read in them. */
const css = {
  name: "css",
  setup: (build) =>
    build.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await esbuild.transform(await readFile(path, "utf8"), { loader: "css", minify: true, target: TARGET });
      return { contents: code.trim(), loader: "text" };
    }),
};

const common = {
  absWorkingDir: HERE,
  entryPoints: ["src/index.ts"],
  bundle: true,
  minify: true,
  sourcemap: true,
  sourcesContent: true,
  charset: "utf8",
  target: TARGET,
  plugins: [css],
  legalComments: "none",
  logLevel: "warning",
};

async function declarations() {
  const folder = join(OUT, "types");
  const flags = ["--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--rootDir", "src", "--outDir", folder];
  execFileSync(join(HERE, "node_modules", ".bin", "tsc"), ["-p", "tsconfig.build.json", ...flags], { cwd: HERE, stdio: "inherit" });
  // What a storefront can reach from the entry; the rest is nobody's business.
  const reached = new Set();
  const follow = async (name) => {
    if (reached.has(name)) return;
    reached.add(name);
    const text = await readFile(join(folder, name), "utf8");
    await Promise.all([...text.matchAll(/from "\.\/(.+?)\.js"/g)].map(([, found]) => follow(`${found}.d.ts`)));
  };
  await follow("index.d.ts");
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const name = relative(folder, join(entry.parentPath, entry.name));
    if (entry.isFile() && !reached.has(name)) await rm(join(folder, name));
  }
  await rm(join(folder, "psp"), { recursive: true, force: true });
}

await rm(OUT, { recursive: true, force: true });
await mkdir(OUT, { recursive: true });
await esbuild.build({ ...common, format: "esm", outfile: join(OUT, "connector-enabler.es.js") });
await esbuild.build({
  ...common,
  format: "cjs",
  banner: UMD,
  footer: { js: "return module.exports});" },
  outfile: join(OUT, "connector-enabler.umd.js"),
});
await declarations();

const hash = (algorithm, form, data) => createHash(algorithm).update(data).digest(form);
const bodies = await Promise.all(Object.keys(REASONS).map((name) => readFile(join(OUT, name))));
const inventory = {
  // Part of the address under which the files may be kept for good.
  release: hash("sha256", "hex", Buffer.concat(bodies)).slice(0, 16),
  files: Object.entries(REASONS).map(([name, reason], index) => ({
    name,
    bytes: bodies[index].length,
    integrity: `sha384-${hash("sha384", "base64", bodies[index])}`,
    reason,
  })),
};
await writeFile(join(OUT, "inventory.json"), `${JSON.stringify(inventory, null, 2)}\n`);
