import { expect, test, vi } from "vitest";

vi.stubGlobal("location", { pathname: "/", search: "", hash: "" });
const { routeOf } = await import("./router.ts");

test("each path leads to its view", () => {
  expect(routeOf("/")).toEqual({ view: "plays" });
  expect(routeOf("/p/abc")).toEqual({ view: "play", sid: "abc" });
  expect(routeOf("/p/a%20b")).toEqual({ view: "play", sid: "a b" });
  expect(routeOf("/library")).toEqual({ view: "library" });
  expect(routeOf("/compare")).toEqual({ view: "compare" });
});

test("a path that is none of the page's leads nowhere", () => {
  for (const path of ["/p", "/p/a/b", "/rpc", "/p/%E0%A4%A/x"]) expect(routeOf(path).view).toBe("nowhere");
});

test("a sid that is no valid encoding is taken as it stands", () => {
  expect(routeOf("/p/%E0%A4%A")).toEqual({ view: "play", sid: "%E0%A4%A" });
});
