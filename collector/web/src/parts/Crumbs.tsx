/** Breadcrumbs: the path from the home page to the current page. */

import styles from "./Crumbs.module.css";

export interface Crumb {
  name: string;
  href?: string; // absent for the current page
}

/** Breadcrumbs after the home page, outermost first; the last one is the current page. */
export function Crumbs({ crumbs }: { crumbs: readonly Crumb[] }) {
  const current = (i: number) => (i === crumbs.length - 1 ? "page" : undefined);
  return (
    <nav aria-label="Breadcrumbs">
      <ol class={styles.crumbs}>
        <li>
          <a href="#/" class={styles.brand} aria-current={current(-1)}>
            <svg viewBox="0 0 16 24" width="14" height="21" aria-hidden="true">
              <path d="M4 1v22M4 1h10M4 6.5h5M4 12h8M4 17.5h5M4 23h10" class={styles.column} />
              <path d="M0 14.5h16" class={styles.water} />
            </svg>
            nilometer
          </a>
        </li>
        {crumbs.map(({ name, href }, i) => (
          <li key={i}>
            {href === undefined ? (
              <span aria-current={current(i)}>{name}</span>
            ) : (
              <a href={href} aria-current={current(i)}>
                {name}
              </a>
            )}
          </li>
        ))}
      </ol>
    </nav>
  );
}
