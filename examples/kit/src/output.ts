import pc from 'picocolors';

const color = pc.createColors(process.stdout.isTTY === true && process.env.TERM !== 'dumb' && pc.isColorSupported);

/** The lines that an example prints. */
export const say = {
  title: (text: string): void => console.log(`\n${color.bold(text)}\n`),
  line: (text: string): void => console.log(`  ${text}`),
  verdict: (right: boolean, text: string): void =>
    console.log(`\n${right ? color.green(`✓ ${text}`) : color.red(`✗ ${text}`)}\n`),
  failure: (text: string): void => console.error(`${color.red('✗')} ${text}`),
};
