import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Job, LoadResult, Order, Report } from './load/job.ts'

/** The load generator as the bench sees it. */
export interface LoadProcess {
  readonly pid: number
  /** Loads tokens and connects. */
  prepare(job: Job): Promise<void>
  /** Runs the job; `onEdge` is called at once when the measured window opens and closes. */
  go(onEdge: () => void): Promise<LoadResult>
  readonly stop: () => void
}

const program = join(import.meta.dirname, 'load', 'generator.ts')

export function startLoadProcess(): LoadProcess {
  const child = fork(program, { execArgv: ['--import', 'tsx'], stdio: 'inherit' })
  const gone = once(child, 'exit').then(() => {
    throw new Error('the load generator ended')
  })
  // The callers that wait for something get this rejection; without one it is ignored.
  gone.catch(() => undefined)

  function order(message: Order): void {
    child.send(message)
  }

  function report<T>(read: (report: Report) => T | undefined): Promise<T> {
    const reported = new Promise<T>((resolve) => {
      const listen = (message: unknown): void => {
        const found = read(message as Report)
        if (found === undefined) return
        child.off('message', listen)
        resolve(found)
      }
      child.on('message', listen)
    })
    return Promise.race([reported, gone])
  }

  return {
    pid: child.pid ?? 0,
    async prepare(job) {
      const ready = report(({ type }) => (type === 'ready' ? true : undefined))
      order({ type: 'prepare', job })
      await ready
    },
    go(onEdge) {
      const done = report((message) => {
        if (message.type === 'done') return message.result
        if (message.type !== 'ready') onEdge()
        return undefined
      })
      order({ type: 'go' })
      return done
    },
    stop: () => {
      child.kill('SIGKILL')
    },
  }
}
