// How the page is built: into the package of the server, each file with its compressed forms beside it, so that the
// server never compresses anything. tools/build_page.py runs it.

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const OUT = "../src/hero_logic/server/page";

/** Writes FILE.gz and FILE.br beside each file that is worth it. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    closeBundle() {
      for (const name of readdirSync(OUT, { recursive: true, encoding: "utf8" })) {
        if (!/\.(js|css|html|svg)$/.test(name)) continue;
        const path = join(OUT, name);
        const bytes = readFileSync(path);
        writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
        writeFileSync(
          `${path}.br`,
          brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
        );
      }
    },
  };
}

/**
 * What a view needs beside its script is there already: all styles are one file, and parts share the first script. So
 * what would look for more before each part is loaded has nothing to find, and is half a kilobyte of the first load.
 */
function plainImports(): Plugin {
  return {
    name: "plain-imports",
    apply: "build",
    enforce: "pre",
    load(id) {
      return id === "\0vite/preload-helper.js" ? "export const __vitePreload = (load) => load();" : null;
    },
  };
}

export default defineConfig({
  plugins: [compressed(), plainImports()],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2022",
    // The policy allows no data: addresses: every file is a file.
    assetsInlineLimit: 0,
    modulePreload: {
      polyfill: false,
      resolveDependencies: (_, files, { hostType }) => (hostType === "html" ? files : []),
    },
    cssCodeSplit: false,
    sourcemap: false,
    manifest: "manifest.json",
  },
  worker: { format: "es" },
  // `vite` alone serves the sources; what is asked for goes to a server at its usual address.
  server: {
    proxy: Object.fromEntries(
      ["/rpc", "/plays", "/events", "/session", "/openrpc.json", "^/login$"].map((path) => [
        path,
        {
          target: "http://127.0.0.1:8420",
          changeOrigin: true,
          headers: { origin: "http://127.0.0.1:8420" },
          ...(path === "^/login$" && {
            bypass: (request: { method?: string }) => (request.method === "GET" ? "/index.html" : undefined),
          }),
        },
      ]),
    ),
  },
});
