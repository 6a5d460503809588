import { join } from 'node:path'
import { startNsqd, type NsqProcess } from '../../scripts/nsqd-process.ts'
import type { Row } from '../../src/db/database.ts'
import { Sqlite } from '../../src/db/sqlite/driver.ts'
import { startProcess, untilReady, type TestProcess } from './start-process.ts'
import { createTemporaryFolder } from './temporary-folder.ts'

/** API nodes and workers as real processes over a real nsqd, sharing one database file. */
export interface Cluster {
  readonly nsqd: NsqProcess
  readonly apis: readonly TestProcess[]
  readonly workers: readonly TestProcess[]
  readonly databasePath: string
  readonly paymentsPath: string
  /** Starts another worker on the same files and waits until it is ready. */
  startWorker(environment?: Readonly<Record<string, string>>): Promise<TestProcess>
  /** Reads rows of the database. */
  query(sql: string): readonly Row[]
  /** Takes the write lock; the returned function gives it back. */
  lockDatabase(): () => void
  /** Stops everything and removes the files. */
  stop(): Promise<void>
}

export interface ClusterOptions {
  readonly nsqdBinary: string
  readonly apis?: number
  readonly workers?: number
  readonly environment?: Readonly<Record<string, string>>
  readonly nsqdFlags?: Readonly<Record<string, string>>
}

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const folder = createTemporaryFolder()
  const flags = options.nsqdFlags ?? {}
  const nsqd = await startNsqd({ binary: options.nsqdBinary, flags })
  const databasePath = join(folder.path, 'holdfast.db')
  const paymentsPath = join(folder.path, 'payment-simulator.db')
  const shared = {
    BROKER: 'nsq',
    NSQD_TCP_ADDRESSES: nsqd.tcpAddress,
    NSQD_HTTP_ADDRESSES: nsqd.httpAddress,
    DATABASE_PATH: databasePath,
    PAYMENT_SIMULATOR_PATH: paymentsPath,
    ...options.environment,
  }
  const all: TestProcess[] = []

  async function start(role: string, environment: Readonly<Record<string, string>> = {}) {
    const started = await startProcess({ ...shared, ROLE: role, ...environment })
    all.push(started)
    await untilReady(started)
    return started
  }

  const workers = await startMany(options.workers ?? 1, () => start('worker'))
  const apis = await startMany(options.apis ?? 1, () => start('api'))
  return {
    nsqd,
    apis,
    workers,
    databasePath,
    paymentsPath,
    startWorker: (environment) => start('worker', environment),
    query: (sql) => readRows(databasePath, sql),
    lockDatabase() {
      const connection = new Sqlite(databasePath, { timeout: 5_000 })
      connection.exec('begin immediate')
      return () => {
        connection.exec('rollback')
        connection.close()
      }
    },
    async stop() {
      for (const each of all) each.signal('SIGCONT')
      nsqd.resume()
      await Promise.all(all.map((each) => each.stop()))
      await nsqd.dispose()
      folder.remove()
    },
  }
}

async function startMany(count: number, start: () => Promise<TestProcess>): Promise<TestProcess[]> {
  const started: TestProcess[] = []
  while (started.length < count) started.push(await start())
  return started
}

/** Reads rows of a database file. */
export function readRows(path: string, sql: string): readonly Row[] {
  const connection = new Sqlite(path, { readonly: true })
  try {
    return connection.prepare<[], Row>(sql).all()
  } finally {
    connection.close()
  }
}
