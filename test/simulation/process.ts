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

/** What is outside of our processes, and stays when they die. */
export interface Outside {
  readonly databasePath: string
  readonly broker: BrokerHost
  readonly provider: ProviderHost
}

const migrations = readMigrations(migrationsFolder)
/** One for all: nobody reads them, and each set watches the real process. */
const metrics = { ...createMetrics(), onCollect: (): void => undefined }

/** Says itself what was lost to nobody; it is no fault of the program. */
const expectedComplaints = ['money came that pays nothing']

/**
 * One process of ours, from its start on what is on disk: the very services, in the very order, over links
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
    // What waits for its turn finds nobody to run for; then the file is let go.
    void inner.close().finally(() => {
      disk.kill()
    })
  })
  const database = linkDatabase(inner, life)
  const logger = createSimulatedLogger((message, details) => {
    if (!life.isAlive() || expectedComplaints.includes(message)) return
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
      shoppersMax: 100,
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

/** Every so many seconds, by the simulated clock. */
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
