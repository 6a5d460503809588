import { fileURLToPath } from 'node:url'
import { createCall, type Call } from './http.ts'
import { startChild } from './processes/child-process.ts'
import { testAdminToken, testJwtSecret } from './start-app.ts'

/** The built program (`node dist/main.js`) as a process of its own, on a free port. */
export interface TestProcess {
  readonly url: string
  readonly call: Call
  readonly pid: number
  /** The last 64,000 characters printed, both streams. */
  output(): string
  /** Stops reading its output: the pipes stay open and fill, or they are closed. */
  stopReading(how: 'stalled' | 'closed'): void
  /** Resolves with the exit code when it has ended. */
  readonly gone: Promise<number | null>
  /** Sends a signal without waiting. */
  signal(signal: NodeJS.Signals): void
  /** Sends SIGSTOP and waits until the process has stopped. */
  pause(): Promise<void>
  /** Sends SIGKILL and waits until the process is gone. */
  kill(): Promise<void>
  /** Sends SIGTERM. Resolves with the exit code. */
  stop(): Promise<number | null>
}

/** The compiled tree: `npm run build` makes it. */
export const program = fileURLToPath(new URL('../../dist/main.js', import.meta.url))
/**
 * It only catches a program that never stops: it promises less than 10 s, and suites look at its
 * exit code.
 */
const stopWithinMs = 60_000

/**
 * Starts a role and waits until it listens. It needs `npm run build` first, which `npm test` does.
 */
export async function startProcess(
  environment: Readonly<Record<string, string>>,
): Promise<TestProcess> {
  const child = startChild({
    name: 'the program',
    command: [process.execPath, program],
    environment: {
      PATH: process.env['PATH'],
      NODE_ENV: 'test',
      PORT: '0',
      LOG_LEVEL: 'warn',
      ADMIN_TOKEN: testAdminToken,
      JWT_SECRET: testJwtSecret,
      ...environment,
    },
  })
  const [, url = ''] = await child.printed(/listens on (http:\S+)/)
  return {
    url,
    call: createCall(url),
    pid: child.pid,
    output: child.output,
    stopReading(how) {
      for (const stream of [child.stdout, child.stderr]) {
        if (how === 'stalled') stream.pause()
        else stream.destroy()
      }
    },
    gone: child.exited.then(({ code }) => code),
    signal: child.signal,
    pause: child.pause,
    async kill() {
      await child.kill()
    },
    async stop() {
      const { code } = await child.stop(stopWithinMs)
      return code
    },
  }
}

/** Waits until `/readyz` answers 200; throws with its last answer after `withinMs`. */
export async function untilReady({ call }: TestProcess, withinMs = 60_000): Promise<void> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const { status, text } = await call('GET', '/readyz')
    if (status === 200) return
    if (performance.now() > deadline) throw new Error(`not ready after ${withinMs} ms: ${text}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
