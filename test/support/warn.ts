/** Prints a warning about tests that are skipped on this machine. */
export function warn(text: string): void {
  process.stderr.write(`\n!!! ${text} !!!\n\n`)
}
