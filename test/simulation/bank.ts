import { wait } from '../../src/clock.ts'
import { pushMethod } from '../../src/payments/simulator/schema.ts'
import { createSimulatedProvider } from '../../src/payments/simulator/simulated-provider.ts'
import { Sqlite } from '../../src/db/sqlite/driver.ts'
import type { Cluster } from './cluster.ts'
import type { ProviderHost } from './provider-link.ts'
import { tellOfAll } from './webhooks.ts'
import type { World } from './world.ts'

/**
 * The simulated payment provider: its ledger, its webhooks, and push payments that arrive by
 * themselves.
 */
export interface Bank extends ProviderHost {
  goDown(ms: number): void
  comeUp(): void
  /**
   * Sends webhooks every 400 ms while `mayContinue`; each time the share `arrivals` of push
   * payments arrives.
   */
  work(cluster: Cluster, mayContinue: () => boolean, arrivals?: number): Promise<void>
  /** Lets the given share of the outstanding push payments arrive now. */
  arrive(share: number): Promise<void>
  /** Tells whether every event was delivered. */
  isQuiet(): Promise<boolean>
  captured(): readonly CapturedThere[]
  close(): void
}

export interface CapturedThere {
  readonly paymentId: string
  readonly invoiceId: string
  readonly amountMinor: number
}

const everyMs = 400
const arrivalRate = 0.08
const notArrived = `
  select payment_id as id from payments
  where method = '${pushMethod}' and status in ('pending', 'voided') order by payment_id`
const selectCaptured = `
  select payment_id as "paymentId", invoice_id as "invoiceId", amount_minor as "amountMinor"
  from payments where status = 'captured' order by payment_id`

export async function openBank(world: World, path: string): Promise<Bank> {
  const { random, trace, clock } = world
  const lane = world.schedule.lane('provider')
  const provider = createSimulatedProvider({
    path,
    clock: lane.clock,
    random,
    defer: lane.defer,
    slowMs: 1_500,
    silentMs: 1_000,
  })
  await provider.start()
  const books = new Sqlite(path, { readonly: true })
  let downUntil = 0

  async function arrive(share: number): Promise<void> {
    const waiting = books.prepare<[], { id: string }>(notArrived).all()
    for (const { id } of waiting) {
      if (random() >= share) continue
      trace.note(`money arrives for ${id}`)
      await provider.arrive(id)
    }
  }

  return {
    provider,
    isDown: () => clock.monotonic() < downUntil,
    goDown(ms) {
      trace.note(`provider is down for ${ms} ms`)
      downUntil = clock.monotonic() + ms
    },
    comeUp() {
      downUntil = 0
    },
    arrive,
    async work(cluster, mayContinue, arrivals = arrivalRate) {
      while (mayContinue()) {
        await wait(world.outside.clock, everyMs)
        await tellOfAll(world, { provider, cluster })
        await arrive(arrivals)
      }
    },
    isQuiet: async () => (await provider.undeliveredEvents(1)).length === 0,
    captured: () => books.prepare<[], CapturedThere>(selectCaptured).all(),
    close() {
      books.close()
    },
  }
}
