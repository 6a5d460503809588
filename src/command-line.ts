import { parseArgs, type ParseArgsConfig } from 'node:util'
import { isUnderstood, sentenceOf } from './start-failure.ts'

/**
 * The command lines of the program and of the commands that are shipped with it. The harnesses have
 * `scripts/command-line.ts`, since a black box imports nothing from `src` and the image has no `scripts`.
 */

/** Someone cannot use the command line like this; `message` says why. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

const usageExitCode = 2

export interface Command {
  /** The text of `--help`; wrong usage prints it, too. */
  readonly usage: string
  /** The exit code when `run` fails. */
  readonly failureExitCode: number
  /** @returns the exit code; undefined when the process goes on or ends with 0. */
  readonly run: (args: readonly string[]) => Promise<number | undefined>
}

/**
 * Runs a command as the whole process. `--help` prints the usage, exits with 0 and starts nothing; wrong
 * usage exits with 2. A failure that is understood is one sentence, any other one is shown with its stack.
 */
export async function runCommand({ usage, failureExitCode, run }: Command): Promise<void> {
  const args = process.argv.slice(2)
  if (args.includes('--help')) {
    process.stdout.write(`${usage}\n`)
    return
  }
  try {
    const exitCode = await run(args)
    if (exitCode !== undefined) process.exitCode = exitCode
  } catch (error) {
    const isUsage = error instanceof Error && error.name === 'UsageError'
    process.stderr.write(`${isUsage ? `${error.message}\n\n${usage}` : failure(error)}\n`)
    process.exit(isUsage ? usageExitCode : failureExitCode)
  }
}

function failure(error: unknown): string {
  const stack = error instanceof Error && !isUnderstood(error) ? error.stack : undefined
  return stack ?? sentenceOf(error)
}

type Flags = NonNullable<ParseArgsConfig['options']>
type Values<F extends Flags> = ReturnType<
  typeof parseArgs<{ args: string[]; options: F; strict: true }>
>['values']

/** @throws UsageError for a flag that is not in `flags`, a flag without its value, and any other word. */
export function readFlags<const F extends Flags>(args: readonly string[], flags: F): Values<F> {
  try {
    return parseArgs({ args: [...args], options: flags, strict: true }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}
