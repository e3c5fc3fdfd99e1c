/** Text for a cell of a Markdown table. */
export const cell = (text: string): string =>
  text
    .replaceAll('|', '\\|')
    .replaceAll('<', '&lt;')
    .replaceAll(/\s*\n\s*/g, ' ');

/** A row of a Markdown table. */
export const row = (...cells: string[]): string => `| ${cells.map(cell).join(' | ')} |`;
