import styles from "./Welcome.module.css";

/** The first steps, shown while nothing is monitored. */
export function Welcome() {
  return (
    <section class={styles.welcome} aria-labelledby="welcome">
      <h2 id="welcome">Nothing has been observed yet</h2>
      <p>Add the middleware to the application that serves the model, and send it a request:</p>
      <pre>
        <code>{`from nilometer import NilometerMiddleware

app.add_middleware(NilometerMiddleware, entity="fraud-scorer")`}</code>
      </pre>
      <p>
        The entity appears here when its first window is complete. To compare it with its training
        data, make a reference:
      </p>
      <pre>
        <code>{`nilometer profile train.parquet --entity fraud-scorer --as-reference training`}</code>
      </pre>
    </section>
  );
}
