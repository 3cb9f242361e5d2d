// @ts-nocheck: Node's own types aren't among the page's.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { hasRole } from "../src/api/client";
import { constraints, grouped, groupOf, operations, refsOf, typeText } from "../src/lib/openapi";
import { limitWords, monthName, monthOf, monthsBefore, share, vuh } from "../src/lib/usage";
import { parseRoute } from "../src/router";

test("addresses", () => {
  for (const [path, want] of [
    ["/", { page: "runs" }],
    ["/runs/", { page: "runs" }],
    ["/runs/12", { page: "run", id: 12 }],
    ["/runs/x", { page: "unknown" }],
    ["/projects", { page: "projects" }],
    ["/projects/7/", { page: "project", id: 7 }],
    ["/admin", { page: "admin", tab: "users" }],
    ["/admin/audit", { page: "admin", tab: "audit" }],
    ["/admin/nothing", { page: "unknown" }],
    ["/account", { page: "account" }],
    ["/api", { page: "api" }],
    ["/constructor", { page: "unknown" }],
  ])
    assert.deepEqual(parseRoute(path), want, path);
});

test("roles", () => {
  const who = (roles, is_owner = false) => ({ name: "x", email: "x", is_owner, must_change_password: false, roles });
  assert.equal(hasRole(who([], true), null, "admin"), true);
  assert.equal(hasRole(who([{ project_id: 1, role: "admin" }]), 1, "editor"), true);
  assert.equal(hasRole(who([{ project_id: 1, role: "viewer" }]), 1, "editor"), false);
  assert.equal(hasRole(who([{ project_id: 1, role: "admin" }]), 2, "viewer"), false);
  assert.equal(hasRole(who([{ project_id: 1, role: "admin" }]), null, "viewer"), false);
  assert.equal(hasRole(who([{ project_id: null, role: "editor" }]), 2, "editor"), true);
});

test("used hours", () => {
  for (const [v, want] of [[null, "–"], [0, "0"], [0.004, "<0.01"], [0.625, "0.63"], [16.666, "16.67"], [100.4, "100"], [12345, "12,345"]]) assert.equal(vuh(v), want);
  assert.equal(monthName("2026-11"), "November 2026");
  assert.equal(monthOf(Date.UTC(2026, 10, 30, 23, 59)), "2026-11");
  assert.equal(monthsBefore("2026-11", 11), "2025-12");
  assert.equal(monthsBefore("2026-01", 1), "2025-12");
  const limits = { project_id: 1, vuh_max_per_month: 10, vu_max_per_test: 5, vu_browser_max_per_test: null, duration_max_per_test: 90 };
  assert.equal(share({ vuh: 5 }, limits), 0.5);
  assert.equal(share({ vuh: 15 }, limits), 1);
  assert.equal(share(undefined, limits), 0);
  assert.equal(share({ vuh: 15 }, { ...limits, vuh_max_per_month: null }), null);
  assert.equal(limitWords(limits), "5 VUs, 1m 30s");
  assert.equal(limitWords(undefined), "");
});

test("the specification as operations", () => {
  const spec = JSON.parse(readFileSync("../src/server/openapi.json", "utf8"));
  const list = operations(spec);
  const want = Object.values(spec.paths).reduce((n, item) => n + Object.keys(item).length, 0);
  assert.equal(list.length, want);
  const start = list.find((o) => o.path.endsWith("/start_local_execution"));
  assert.deepEqual(start.bodies.map((b) => typeText(b.schema)), ["StartLocalExecutionTestRequest"]);
  assert.equal(grouped(list).reduce((n, [, ops]) => n + ops.length, 0), want);
  for (const [path, group] of [["/cloud/v6/load_tests/{id}", "load_tests"], ["/cloud/v6/project-limits", "projects"], ["/provisioning/v1/x", "provisioning"]]) assert.equal(groupOf(path), group);
  // Every name that a schema has is one that the document has.
  const schemas = spec.components.schemas;
  for (const s of Object.values(schemas)) for (const name of refsOf(s)) assert.ok(schemas[name], name);
  for (const [s, text] of [
    [{ type: ["string", "null"] }, "string or null"],
    [{ type: "array", items: { $ref: "#/components/schemas/Weekday" } }, "list of Weekday"],
    [{ type: ["array", "null"], items: { type: "string" } }, "list of string or null"],
    [{ oneOf: [{ $ref: "#/a/B" }, { type: "null" }] }, "B or null"],
    [{ type: "string", format: "date-time" }, "string (date-time)"],
    [null, "anything"],
  ])
    assert.equal(typeText(s), text);
  assert.deepEqual(constraints({ minLength: 1, maxLength: 3, enum: ["a", "b"], default: 1, minimum: 0 }), ["1 to 3 characters", "at least 0", "one of a, b", "default 1"]);
});
