import { expect, test } from "vitest";
import { alerterOf } from "../../testing/answers";
import { needs, severities } from "./words";

test("an alerter without further rules needs observations and windows", () => {
  const plain = alerterOf("FIXED");
  expect(needs(plain)).toBe("100 observations, 1 window");
  expect(severities(plain)).toBe("warning");
});

test("every further rule is named", () => {
  const alerter = alerterOf("FIXED", {
    windows_to_open: 2,
    for_seconds: 300,
    delay_seconds: 120,
    closing: { threshold: 0.1 },
    critical: { low: 0, high: 9 },
    time_zone: "Europe/Berlin",
    schedule: [{ days: ["mon", "tue"], start: "08:00", end: "20:00" }],
  });
  expect(needs(alerter)).toBe(
    "100 observations, 2 windows in a row, for 5 min, closes at 0.1, judged after 2 min, only mon tue 08:00 to 20:00 Europe/Berlin",
  );
  expect(severities(alerter)).toBe("warning, critical from low 0, high 9");
});
