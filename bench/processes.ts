import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { endWithThisProcess } from '../scripts/nsqd-process.ts'

/** Server processes of the contenders, and what the kernel says of any process. */
export interface ServerProcess {
  readonly name: string
  readonly pid: number
  readonly origin: string
  /** Where its inspector listens, when it was started with one. */
  readonly inspectorUrl: string | undefined
  signal(signal: NodeJS.Signals): void
  /** SIGTERM; resolves with what was wrong with its end, if anything. */
  stop(): Promise<string | undefined>
}

export interface Program {
  /** As it is told in reports. */
  readonly name: string
  readonly arguments: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

export const repository = join(import.meta.dirname, '..')
const listensWithinMs = 30_000
const stopsWithinMs = 15_000
const outputCharactersMax = 4_000

/** Starts a Node program that prints `listens on http://…` and waits for that. */
export async function startServer(program: Program): Promise<ServerProcess> {
  const child = spawn(process.execPath, program.arguments, {
    cwd: repository,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '', NODE_ENV: 'production', ...program.environment },
  })
  endWithThisProcess(child)
  const gone = once(child, 'exit')
  let output = ''
  const origin = await new Promise<string>((resolve, reject) => {
    const fail = (why: string): void => {
      child.kill('SIGKILL')
      reject(new Error(`${program.name} ${why}:\n${output}`))
    }
    const timer = setTimeout(() => {
      fail('did not listen in time')
    }, listensWithinMs)
    const read = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-outputCharactersMax)
      const listening = /listens on (http:\S+)/.exec(output)?.[1]
      if (listening === undefined) return
      clearTimeout(timer)
      resolve(listening)
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    void gone.then(() => {
      clearTimeout(timer)
      fail('ended')
    })
  })
  return {
    name: program.name,
    pid: child.pid ?? 0,
    origin,
    inspectorUrl: /Debugger listening on (ws:\S+)/.exec(output)?.[1],
    signal: (signal) => void child.kill(signal),
    stop: () => stop(program.name, child, () => output),
  }
}

async function stop(
  name: string,
  child: ChildProcess,
  output: () => string,
): Promise<string | undefined> {
  const ended = hasEnded(child)
  if (!ended) {
    const gone = once(child, 'exit')
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), stopsWithinMs)
    await gone
    clearTimeout(timer)
  }
  if (!ended && child.exitCode === 0) return undefined
  const how = `exit code ${child.exitCode ?? 'none'}, signal ${child.signalCode ?? 'none'}`
  return `${name} ended ${ended ? 'by itself' : 'badly'} (${how}):\n${output()}`
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

/** Clock ticks of /proc are hundredths of a second on every Linux that Node runs on. */
const ticksPerSecond = 100
const [userTimeField, systemTimeField] = [11, 12]

/** Seconds of CPU the process has used so far, all threads, user and kernel; NaN when it is gone. */
export function readCpuSeconds(pid: number): number {
  const stat = readProcess(pid, 'stat')
  // The name before may contain anything, but the last parenthesis ends it.
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
