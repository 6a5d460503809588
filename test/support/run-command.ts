import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

export interface Finished {
  /** The exit code; null after a signal. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd: string
  /** Variables besides PATH; nothing else of this process's environment is passed on. */
  readonly environment?: Readonly<Record<string, string>>
}

/** Runs a program until it ends by itself. */
export async function runToEnd(
  program: string,
  args: readonly string[],
  { cwd, environment = {} }: RunOptions,
): Promise<Finished> {
  const child = spawn(program, args, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment },
  })
  const gone = once(child, 'close') as Promise<[number | null]>
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [code] = await gone
  return { code, stdout, stderr }
}
