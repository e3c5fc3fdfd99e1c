import { wrapped } from './output.ts';

/**
 * The text after the options in the help of a command. Paragraphs are filled to the width of the terminal; indented lines, such as
 * examples, stay as they are.
 */
export function helpText(text: string): () => string {
  return () => {
    const lines: string[] = [];
    let paragraph = '';
    for (const line of text.split('\n')) {
      if (line !== '' && !line.startsWith(' ')) {
        paragraph += `${paragraph === '' ? '' : ' '}${line}`;
        continue;
      }
      if (paragraph !== '') lines.push(...wrapped(paragraph));
      paragraph = '';
      lines.push(line);
    }
    return lines.join('\n');
  };
}
