import { execFile, spawn, type ChildProcess as NodeChild } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'

/**
 * The one way in which suites and harnesses run another program: it starts, says what the program
 * prints, treats it badly on request, and ends it. Nothing here imports src, so that black boxes
 * can use it.
 */

export interface ChildOptions {
  /** The name that errors and reports say. */
  readonly name: string
  /** The program, then its arguments. */
  readonly command: readonly [string, ...string[]]
  /** The whole environment of the child: nothing is inherited. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly folder?: string
  /** `open` gives it a standard input to write to; `none` is the default. */
  readonly input?: 'open' | 'none'
  /** `own` keeps Ctrl-C away from it: the harness ends its children in order. Default `shared`. */
  readonly group?: 'own' | 'shared'
}

export interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface ChildProcess {
  readonly name: string
  /** 0 when it could not be started. */
  readonly pid: number
  /** Has ended unless `input` is open. */
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr: Readable
  /** The last 64,000 characters that it printed, both streams as they came. */
  output(): string
  isRunning(): boolean
  /** Resolves when it is gone; some of its output may still be on the way. */
  readonly exited: Promise<Ending>
  /**
   * Resolves when it is gone and its output is read to the end; never while the output is not read.
   */
  readonly ended: Promise<Ending>
  /** Sends a signal without waiting; harmless when it has ended. */
  signal(signal: NodeJS.Signals): void
  /** SIGSTOP. Resolves when it has stopped. @throws when it has ended. */
  pause(): Promise<void>
  /** SIGKILL. */
  kill(): Promise<Ending>
  /** SIGTERM, also to a paused one; SIGKILL after `withinMs` (15,000). */
  stop(withinMs?: number): Promise<Ending>
  /** Lets it come to its end by itself, for `withinMs` at most: then SIGTERM. */
  endsWithin(withinMs: number): Promise<Ending>
  /**
   * Resolves with the first match in what it prints.
   * @throws with its output when it ends before, or prints nothing of the kind within `withinMs` (60,000);
   *   it is killed then.
   */
  printed(pattern: RegExp, withinMs?: number): Promise<RegExpExecArray>
}

const outputCharactersMax = 64_000
const stopWithinMs = 15_000
/**
 * It only catches programs that hang: a start takes 0.3 s, and 10 s on two cores under a load of
 * 12.
 */
const printedWithinMs = 60_000

export function startChild(options: ChildOptions): ChildProcess {
  const [file, ...args] = options.command
  const child = spawn(file, args, {
    cwd: options.folder,
    env: { ...options.environment },
    detached: options.group === 'own',
  })
  // It may have ended when something is written to it.
  child.stdin.once('error', () => undefined)
  if (options.input !== 'open') child.stdin.end()
  endWithThisProcess(child)
  const readOutput = keepOutput(child)
  const exited = endOf(child, 'exit')

  function stop(withinMs = stopWithinMs): Promise<Ending> {
    if (hasEnded(child)) return exited
    child.kill('SIGTERM')
    // A paused process does not see SIGTERM before it goes on.
    child.kill('SIGCONT')
    return unlessWithin(withinMs, exited, () => child.kill('SIGKILL'))
  }

  const process_: ChildProcess = {
    name: options.name,
    pid: child.pid ?? 0,
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    output: readOutput,
    isRunning: () => !hasEnded(child),
    exited,
    ended: endOf(child, 'close'),
    signal: (signal) => void child.kill(signal),
    pause: () => pauseChild(child),
    kill() {
      child.kill('SIGKILL')
      return exited
    },
    stop,
    endsWithin: (withinMs) => unlessWithin(withinMs, exited, () => void stop()),
    printed: (pattern, withinMs = printedWithinMs) => untilPrinted(process_, pattern, withinMs),
  }
  return process_
}

/** Does something when the promise takes longer than it may. */
function unlessWithin<T>(withinMs: number, promise: Promise<T>, act: () => void): Promise<T> {
  const timer = setTimeout(act, withinMs)
  return promise.finally(() => {
    clearTimeout(timer)
  })
}

function keepOutput(child: NodeChild): () => string {
  let output = ''
  const keep = (chunk: Buffer | string): void => {
    output = (output + chunk.toString()).slice(-outputCharactersMax)
  }
  child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  child.once('error', (error) => {
    keep(error.message)
  })
  return () => output
}

function endOf(child: NodeChild, event: 'exit' | 'close'): Promise<Ending> {
  return new Promise((resolve) => {
    child.once(event, (code: number | null, signal: NodeJS.Signals | null) => {
      resolve({ code, signal })
    })
    // A program that cannot be started has no exit; every later error is about a signal.
    child.once('error', () => {
      if (child.pid === undefined) resolve({ code: null, signal: null })
    })
  })
}

async function untilPrinted(
  child: ChildProcess,
  pattern: RegExp,
  withinMs: number,
): Promise<RegExpExecArray> {
  const found = await new Promise<RegExpExecArray | 'ended' | 'late'>((resolve) => {
    const look = (): void => {
      const match = pattern.exec(child.output())
      if (match !== null) resolve(match)
    }
    const streams = [child.stdout, child.stderr]
    for (const stream of streams) stream.on('data', look)
    const timer = setTimeout(() => {
      resolve('late')
    }, withinMs)
    void child.ended.then(() => {
      look()
      resolve('ended')
      clearTimeout(timer)
      for (const stream of streams) stream.off('data', look)
    })
    look()
  })
  if (found === 'late') await child.kill()
  if (typeof found !== 'string') return found
  const why = found === 'late' ? `did not print ${String(pattern)} in ${withinMs} ms` : 'ended'
  throw new Error(`${child.name} ${why}:\n${child.output()}`)
}

/**
 * Polls until the address answers 200.
 * @returns false when the child ends before, or after `withinMs`: another process may answer at the address.
 */
export async function untilAnswers(
  child: ChildProcess,
  url: string,
  withinMs: number,
): Promise<boolean> {
  const deadline = performance.now() + withinMs
  while (child.isRunning() && performance.now() < deadline) {
    if (await answers(url)) return child.isRunning()
    await pause(25)
  }
  return false
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) })
    await response.arrayBuffer()
    return response.status === 200
  } catch {
    return false
  }
}

/**
 * Ends the child when this process is gone, also when that is killed hard and no exit handler runs:
 * a shell that reads from us sees the pipe close and kills the child. execa's `cleanup` knows only
 * the exit handler.
 */
export function endWithThisProcess(child: NodeChild): void {
  if (child.pid === undefined) return
  const script = 'read -r _; kill -9 "$0" 2>/dev/null'
  const watchdog = spawn('sh', ['-c', script, String(child.pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    // The shell has its own process group, so that Ctrl-C does not end it before the daemon.
    detached: true,
  })
  watchdog.unref()
  watchdog.once('error', () => undefined)
  watchdog.stdin.once('error', () => undefined)
  child.once('exit', () => watchdog.kill('SIGKILL'))
}

/**
 * Sends SIGSTOP and resolves when all threads have stopped, which takes a while on a busy machine.
 */
async function pauseChild(child: NodeChild): Promise<void> {
  child.kill('SIGSTOP')
  while (!(await isStopped(child))) await pause(1)
}

async function isStopped(child: NodeChild): Promise<boolean> {
  if (hasEnded(child)) throw new Error('it has ended and cannot be paused')
  const { stdout } = await promisify(execFile)('ps', ['-o', 'stat=', '-p', String(child.pid)])
  return stdout.trim().startsWith('T')
}

function hasEnded(child: NodeChild): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null
}
