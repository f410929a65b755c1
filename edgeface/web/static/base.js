// Every address that a script uses: below the path at which a proxy serves the page.
const { base } = document.documentElement.dataset;

export const at = (path) => `${base}${path}`;
