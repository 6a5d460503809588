import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { pauseChild } from '../../scripts/nsqd-process.ts'
import { createCall, type Call } from './http.ts'
import { testAdminToken, testJwtSecret } from './start-app.ts'

/** The built program (`node dist/main.js`) as a process of its own, on a free port. */
export interface TestProcess {
  readonly url: string
  readonly call: Call
  readonly pid: number
  /** Everything printed so far, both streams. */
  output(): string
  /** Takes nothing more of what it prints: the pipes stay open and fill, or they are closed. */
  stopReading(how: 'stalled' | 'closed'): void
  /** The exit code, when it has ended. */
  readonly gone: Promise<number | null>
  /** Sends a signal without waiting. */
  signal(signal: NodeJS.Signals): void
  /** SIGSTOP, then waits until it has stopped. */
  pause(): Promise<void>
  /** SIGKILL, then waits until it is gone. */
  kill(): Promise<void>
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>
}

/** The compiled tree: `npm run build` makes it. */
export const program = fileURLToPath(new URL('../../dist/main.js', import.meta.url))
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Starts a role and waits until it listens. It needs `npm run build` first, which `npm test` does. */
export async function startProcess(
  environment: Readonly<Record<string, string>>,
): Promise<TestProcess> {
  const child = spawn(process.execPath, [program], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'] ?? '',
      NODE_ENV: 'test',
      PORT: '0',
      LOG_LEVEL: 'warn',
      ADMIN_TOKEN: testAdminToken,
      JWT_SECRET: testJwtSecret,
      ...environment,
    },
  })
  running.add(child)
  const gone = once(child, 'exit').then(([code]) => {
    running.delete(child)
    return code as number | null
  })
  let output = ''
  const listening = new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output += chunk.toString('utf8')
      const match = /listens on (http:\S+)/.exec(output)
      if (match?.[1] !== undefined) resolve(match[1])
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    void gone.then(() => {
      reject(new Error(`the program ended at once:\n${output}`))
    })
  })
  const url = await listening
  return {
    url,
    call: createCall(url),
    pid: child.pid ?? 0,
    output: () => output,
    stopReading(how) {
      for (const stream of [child.stdout, child.stderr]) {
        if (how === 'stalled') stream.pause()
        else stream.destroy()
      }
    },
    gone,
    signal: (signal) => void child.kill(signal),
    pause: () => pauseChild(child),
    async kill() {
      child.kill('SIGKILL')
      await gone
    },
    stop() {
      child.kill('SIGTERM')
      return gone
    },
  }
}

/** Resolves when `/readyz` says yes; throws with its last answer after `withinMs`. */
export async function untilReady({ call }: TestProcess, withinMs = 10_000): Promise<void> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const { status, text } = await call('GET', '/readyz')
    if (status === 200) return
    if (performance.now() > deadline) throw new Error(`not ready after ${withinMs} ms: ${text}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
