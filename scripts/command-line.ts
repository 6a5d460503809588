import { parseArgs, type ParseArgsConfig } from 'node:util'

/**
 * The command lines of every script and every harness: flags, numbers, `--help` and the exit code of wrong
 * usage. It imports nothing of this repository, so that a black box and a slim image can use it.
 */

/** Someone cannot use the command line like this; `message` says why. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Exit code of a command that could not begin: wrong usage, a missing file, a taken port. */
export const unusableExitCode = 2

export interface Command {
  /** The text of `--help`; wrong usage prints it too. */
  readonly usage: string
  /** @returns the exit code; undefined keeps the process running, or ends it with 0. */
  readonly run: (args: readonly string[]) => Promise<number | undefined>
}

/**
 * Runs a command as the whole process. `--help` anywhere prints the usage, exits with 0 and starts nothing.
 * A `UsageError` prints its message and the usage and exits with 2; every other error is the command's own.
 */
export async function runCommand({ usage, run }: Command): Promise<void> {
  const args = process.argv.slice(2)
  if (asksForHelp(args)) {
    console.log(usage)
    return
  }
  try {
    const exitCode = await run(args)
    if (exitCode !== undefined) process.exitCode = exitCode
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(`${error.message}\n\n${usage}`)
    process.exitCode = unusableExitCode
  }
}

/** Both spellings: Go programs write long flags with one dash. */
function asksForHelp(args: readonly string[]): boolean {
  return args.includes('--help') || args.includes('-help')
}

type Flags = NonNullable<ParseArgsConfig['options']>
type Values<F extends Flags> = ReturnType<
  typeof parseArgs<{ args: string[]; options: F; strict: true }>
>['values']

/**
 * Reads `--name value` and `--name=value`.
 * @throws UsageError for a flag that is not in `flags`, a flag without its value, and any other word.
 */
export function readFlags<const F extends Flags>(args: readonly string[], flags: F): Values<F> {
  try {
    return parseArgs({ args: [...args], options: flags, strict: true }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

/** The smallest and the largest value that a flag takes, both included. */
export interface Bounds {
  readonly min: number
  readonly max: number
}

/**
 * The value of a flag that takes decimal digits only: `1e3`, `0x10`, `1.0` and the empty string are refused.
 * @returns undefined when the flag was not given.
 * @throws UsageError
 */
export function readWholeNumber(
  name: string,
  written: string | undefined,
  { min, max }: Bounds,
): number | undefined {
  if (written === undefined) return undefined
  const value = /^\d{1,16}$/.test(written) ? Number(written) : Number.NaN
  if (value >= min && value <= max) return value
  throw new UsageError(`--${name}: expected a whole number from ${min} to ${max}, got '${written}'`)
}

/**
 * The value of a flag that may have a fraction: `0.5`, `.5`, `10`.
 * @returns undefined when the flag was not given.
 * @throws UsageError
 */
export function readDecimal(
  name: string,
  written: string | undefined,
  { min, max }: Bounds,
): number | undefined {
  if (written === undefined) return undefined
  const value = /^(\d+|\d*\.\d+)$/.test(written) ? Number(written) : Number.NaN
  if (value >= min && value <= max) return value
  throw new UsageError(`--${name}: expected a number from ${min} to ${max}, got '${written}'`)
}
