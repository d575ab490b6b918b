import { defineConfig } from "vitest/config";

export default defineConfig({
  base: "./", // served under any path prefix
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../nilometer_collector/static",
    emptyOutDir: true,
    assetsInlineLimit: 0, // a data: URL would need a wider content security policy
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  server: {
    host: "127.0.0.1",
    proxy: { "/api": "http://127.0.0.1:7500" },
  },
  test: { css: { include: /\?raw/ } }, // a test reads the sheets as text; without this they are empty
});
