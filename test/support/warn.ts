/** So that nobody overlooks what a suite leaves out on this machine. */
export function warn(text: string): void {
  process.stderr.write(`\n!!! ${text} !!!\n\n`)
}
