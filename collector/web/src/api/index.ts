/** The HTTP API of the collector: its types, and the functions that call it. */

import type { Entity, Summary } from "./types";

export * from "./client";
export type * from "./types";

export type Health = Entity["health"];
export type Role = Summary["role"];
