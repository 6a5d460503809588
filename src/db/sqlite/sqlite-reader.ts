import { Worker } from 'node:worker_threads'
import { driverPath as driver } from './driver.ts'
import { DatabaseUnavailableError, type Database, type Row, type Script } from '../database.ts'

/** A database for long reads, such as an audit. It never writes. */
export type DatabaseReader = Pick<Database, 'read' | 'close'>

/**
 * Opens the SQLite file in a thread of its own: a statement over a million rows takes a second and
 * would stop the event loop for as long. The thread starts with the first read and runs one read
 * after the other.
 */
export function openSqliteReader(path: string): DatabaseReader {
  let thread: Worker | undefined
  let turn: Promise<unknown> = Promise.resolve()

  function ask(text: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    const worker = (thread ??= startThread(path))
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        worker.off('message', onMessage).off('error', onError).off('exit', onExit)
      }
      const onMessage = (answer: ThreadAnswer): void => {
        finish()
        if (answer.error === undefined) resolve(answer.rows ?? [])
        else reject(new DatabaseUnavailableError(answer.error))
      }
      const onError = (error: Error): void => {
        finish()
        thread = undefined
        reject(new DatabaseUnavailableError(error.message, { cause: error }))
      }
      const onExit = (): void => {
        onError(new Error('the reading thread is closed'))
      }
      worker.on('message', onMessage).on('error', onError).on('exit', onExit)
      worker.postMessage({ text, values })
    })
  }

  async function drive<T>(script: Script<T>): Promise<T> {
    await ask('begin')
    try {
      let step = script.next()
      while (step.done !== true) step = script.next(await ask(step.value.text, step.value.values))
      return step.value
    } finally {
      await ask('rollback')
    }
  }

  return {
    read<T>(script: () => Script<T>) {
      const result = turn.then(() => drive(script()))
      turn = result.catch(() => undefined)
      return result
    },
    async close() {
      await thread?.terminate()
      thread = undefined
    },
  }
}

interface ThreadAnswer {
  readonly rows?: readonly Row[]
  readonly error?: string
}

/**
 * The code of the thread is a string, because tests run TypeScript and a thread cannot start from
 * it.
 */
const threadSource = `
  const { parentPort, workerData } = require('node:worker_threads')
  const Sqlite = require(workerData.driver)
  const connection = new Sqlite(workerData.path, { timeout: 5000, fileMustExist: true })
  connection.pragma('query_only = on')
  parentPort.on('message', ({ text, values }) => {
    try {
      const statement = connection.prepare(text)
      const rows = statement.reader ? statement.all(...values) : void statement.run(...values)
      parentPort.postMessage({ rows })
    } catch (error) {
      parentPort.postMessage({ error: String(error && error.message) })
    }
  })`

function startThread(path: string): Worker {
  const worker = new Worker(threadSource, { eval: true, workerData: { driver, path } })
  worker.unref()
  return worker
}
