import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startChild, type ChildProcess } from '../test/support/processes/child-process.ts'

/** A server process of a contender. */
export interface ServerProcess {
  readonly name: string
  readonly pid: number
  readonly origin: string
  /** The address of its inspector, when it was started with one. */
  readonly inspectorUrl: string | undefined
  signal(signal: NodeJS.Signals): void
  /** Sends SIGTERM. Resolves with a text when the process did not end well. */
  stop(): Promise<string | undefined>
}

export interface Program {
  /** The name that reports say. */
  readonly name: string
  readonly arguments: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

export const repository = join(import.meta.dirname, '..')

/** Starts a Node program and waits until it prints `listens on http://…`. */
export async function startServer(program: Program): Promise<ServerProcess> {
  const child = startChild({
    name: program.name,
    command: [process.execPath, ...program.arguments],
    folder: repository,
    environment: { PATH: process.env['PATH'], NODE_ENV: 'production', ...program.environment },
  })
  const [, origin = ''] = await child.printed(/listens on (http:\S+)/)
  return {
    name: program.name,
    pid: child.pid,
    origin,
    inspectorUrl: /Debugger listening on (ws:\S+)/.exec(child.output())?.[1],
    signal: child.signal,
    stop: () => stop(child),
  }
}

async function stop(child: ChildProcess): Promise<string | undefined> {
  const wasRunning = child.isRunning()
  await child.stop()
  const { code, signal } = await child.ended
  if (wasRunning && code === 0) return undefined
  const how = `exit code ${code ?? 'none'}, signal ${signal ?? 'none'}`
  return `${child.name} ended ${wasRunning ? 'badly' : 'by itself'} (${how}):\n${child.output()}`
}

/** Clock ticks of /proc are hundredths of a second on every Linux that Node runs on. */
const ticksPerSecond = 100
const [userTimeField, systemTimeField] = [11, 12]

/**
 * Seconds of CPU the process has used so far, all threads, user and kernel; NaN when it is gone.
 */
export function readCpuSeconds(pid: number): number {
  const stat = readProcess(pid, 'stat')
  // The process name before may contain anything, but the last parenthesis ends it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[userTimeField]) + Number(fields[systemTimeField])) / ticksPerSecond
}

/** Resident memory at most so far, MB; NaN when it is gone. */
export function readPeakMemoryMb(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readProcess(pid, 'status'))?.[1]) / 1024
}

/** Resident memory now, MB; NaN when it is gone. */
export function readMemoryMb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readProcess(pid, 'status'))?.[1]) / 1024
}

/** Open files and sockets; NaN when it is gone. */
export function countDescriptors(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length
  } catch {
    return Number.NaN
  }
}

function readProcess(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}

export function canReadProcesses(): boolean {
  return existsSync('/proc/self/stat')
}
