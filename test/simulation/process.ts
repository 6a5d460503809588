import type { Config } from '../../src/config.ts'
import type { Timetable } from '../../src/cron/scheduler.ts'
import { migrate, readMigrations } from '../../src/db/migrate.ts'
import { openSqlite } from '../../src/db/sqlite/sqlite-database.ts'
import { migrationsFolder } from '../../src/holdfast.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createRoles, createApplication } from '../../src/roles.ts'
import type { BrokerHost } from './broker-host.ts'
import { linkBroker } from './broker-link.ts'
import { linkDatabase } from './database-link.ts'
import { openHttpEntry, type HttpEntry } from './http-entry.ts'
import type { Life } from './life.ts'
import { linkProvider, type ProviderHost } from './provider-link.ts'
import { createSimulatedLogger } from './quiet-logger.ts'

/** The database file, the broker and the provider: they stay when a process dies. */
export interface Outside {
  readonly databasePath: string
  readonly broker: BrokerHost
  readonly provider: ProviderHost
}

const migrations = readMigrations(migrationsFolder)
/**
 * All processes share one set: nothing reads it, and every set of metrics would watch the real
 * process.
 */
const metrics = { ...createMetrics(), onCollect: (): void => undefined }

/** Errors that the program logs in correct runs: late money can find its units sold. */
const expectedErrors = ['money came that pays nothing']

/**
 * Starts one process on the database file: the services of the program in its order, over links
 * that misbehave. Resolves when it is ready.
 */
export async function startProcess(
  config: Config,
  life: Life,
  outside: Outside,
): Promise<HttpEntry | undefined> {
  const { world, lane } = life
  const disk = world.schedule.lane(`${life.name} disk`)
  const { clock, random } = { clock: lane.clock, random: world.random }
  const inner = openSqlite({ path: outside.databasePath, clock, random, defer: disk.defer })
  life.onDeath(() => {
    // Scripts that still wait for their turn are dropped; then the file is closed.
    void inner.close().finally(() => {
      disk.kill()
    })
  })
  const database = linkDatabase(inner, life)
  const logger = createSimulatedLogger((message, details) => {
    if (!life.isAlive() || expectedErrors.includes(message)) return
    world.violate({ invariant: 'log', what: `${life.name}: ${message} ${describe(details)}` })
  })
  const application = createApplication(
    config,
    {
      clock,
      random,
      logger,
      newId: world.newId,
      defer: lane.defer,
      timetable: timetableOf(life),
    },
    {
      database,
      reader: database,
      metrics,
      broker: linkBroker(outside.broker, life),
      provider: linkProvider(outside.provider, life),
    },
  )
  const roles = createRoles(application)
  await migrate(database, migrations, clock.now())
  for (const service of [application.broker, ...roles.services]) await service.start()
  world.trace.note(`${life.name} is ready`)
  return config.role === 'worker' ? undefined : openHttpEntry(roles, world.newId)
}

/** Runs jobs every so many seconds of the simulated clock. */
function timetableOf({ lane }: Life): Timetable {
  return (schedule, task) => {
    const [, seconds = '1'] = /^\*(?:\/(\d+))? \* \* \* \* \*$/.exec(schedule) ?? []
    return lane.clock.every(Number(seconds) * 1_000, task)
  }
}

function describe(details: unknown): string {
  const { err, ...rest } = details as { readonly err?: unknown }
  const reason = err instanceof Error ? (err.stack ?? err.message) : ''
  return `${JSON.stringify(rest)} ${reason}`
}
