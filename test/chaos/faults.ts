import { request } from 'undici'
import { drawInteger, type Random } from '../support/random.ts'
import { pause } from '../../functional_test/time.ts'
import { Sqlite, type SqliteDatabase } from '../../src/db/sqlite/driver.ts'
import type { Part } from './part.ts'
import type { Shop } from './shop.ts'

/** The targets of faults. Each has one fault at a time; several targets may have one at once. */
export type Victim = 'worker' | 'api 1' | 'api 2' | 'nsqd' | 'database' | 'provider'

/** A fault that is caused and later repaired. */
export interface Fault {
  readonly victim: Victim
  readonly title: string
  /** The time until it is repaired. */
  readonly lastsMs: number
  /** Causes the fault; the returned function repairs it. */
  readonly strike: (shop: Shop) => Promise<() => Promise<void>>
}

interface Kind {
  readonly victim: Victim
  readonly title: string
  readonly msMin: number
  readonly msMax: number
  readonly strike: Fault['strike']
}

const kinds: readonly Kind[] = [
  ...ofPart('worker', ({ worker }) => worker),
  ...ofPart('api 1', ({ apis }) => apis[0]!),
  ...ofPart('api 2', ({ apis }) => apis[1]!),
  ...ofPart('provider', ({ provider }) => provider),
  {
    victim: 'nsqd',
    title: 'killed -9 and restarted',
    msMin: 0,
    msMax: 2_000,
    async strike({ nsqd }) {
      await nsqd.kill()
      return () => nsqd.restart()
    },
  },
  {
    victim: 'nsqd',
    title: 'stopped in order and restarted',
    msMin: 0,
    msMax: 1_000,
    async strike({ nsqd }) {
      await nsqd.stop()
      return () => nsqd.restart()
    },
  },
  {
    victim: 'nsqd',
    title: 'silent (SIGSTOP)',
    msMin: 500,
    msMax: 4_000,
    async strike({ nsqd }) {
      await nsqd.pause()
      return () => {
        nsqd.resume()
        return Promise.resolve()
      }
    },
  },
  {
    victim: 'database',
    title: 'locked',
    msMin: 500,
    msMax: 7_000,
    strike: ({ databasePath }) => lock(databasePath),
  },
  {
    victim: 'provider',
    title: 'down',
    msMin: 1_000,
    msMax: 6_000,
    async strike({ provider }) {
      await turn(provider, { down: true })
      return () => turn(provider, { down: false })
    },
  },
]

function ofPart(victim: Victim, find: (shop: Shop) => Part): readonly Kind[] {
  return [
    {
      victim,
      title: 'killed -9 and restarted',
      msMin: 0,
      msMax: 2_000,
      async strike(shop) {
        await find(shop).kill()
        return () => find(shop).start()
      },
    },
    {
      victim,
      title: 'silent (SIGSTOP)',
      msMin: 500,
      msMax: 5_000,
      async strike(shop) {
        await find(shop).pause()
        return () => {
          find(shop).resume()
          return Promise.resolve()
        }
      },
    },
    {
      victim,
      title: 'told to stop (SIGTERM) and restarted',
      msMin: 0,
      msMax: 500,
      async strike(shop) {
        await find(shop).stop()
        return () => find(shop).start()
      },
    },
  ]
}

/** Draws the next fault of the seed. */
export function drawFault(random: Random): Fault {
  const { msMin, msMax, ...kind } = kinds[drawInteger(random, kinds.length)]!
  return { ...kind, lastsMs: msMin + drawInteger(random, msMax - msMin + 1) }
}

const lockRetryMs = 5

/** Locks the file as another writing program would. Waiting for the lock must not stop the bots. */
async function lock(path: string): Promise<() => Promise<void>> {
  const connection = new Sqlite(path, { timeout: 0 })
  while (!begins(connection)) await pause(lockRetryMs)
  return () => {
    connection.exec('rollback')
    connection.close()
    return Promise.resolve()
  }
}

function begins(connection: SqliteDatabase): boolean {
  try {
    connection.exec('begin immediate')
    return true
  } catch (error) {
    if (error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY')) return false
    throw error
  }
}

async function turn(provider: Part, switches: Readonly<Record<string, unknown>>): Promise<void> {
  const { statusCode, body } = await request(`${provider.origin}/simulator`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(switches),
  })
  await body.dump()
  if (statusCode !== 200) throw new Error(`the provider's switches answered ${statusCode}`)
}
