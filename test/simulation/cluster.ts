import { loadConfig, type Config } from '../../src/config.ts'
import { auditInvariants } from '../../src/audit/invariants.ts'
import { DatabaseUnavailableError } from '../../src/db/database.ts'
import type { HttpEntry, HttpAnswer, HttpCall } from './http-entry.ts'
import { beginLife, type Life } from './life.ts'
import { send, type Serving } from './network.ts'
import type { NodePlan } from './plan.ts'
import { startProcess, type Outside } from './process.ts'
import type { World } from './world.ts'

/** All processes of the program. A process that dies is started again on the same database file. */
export interface Cluster {
  start(): Promise<void>
  /** Sends a request to one of the serving processes. The status is 0 when no answer came. */
  call(call: HttpCall): Promise<HttpAnswer>
  /** Stops one of them for a while, as SIGSTOP and SIGCONT do. */
  pauseOne(): void
  /** Resumes all processes and pauses none from now on. */
  resumeAll(): void
  /** Ends the run: no process is started again. */
  close(): void
  isComplete(): boolean
}

export const adminToken = 'admin-token-of-the-simulation'
export const webhookSecret = 'webhook-secret-of-the-simulation-0123456789'

const restartMsMax = 3_000
const pauseMsMax = 12_000
export const waitMs = 2_000
export const maxAgeMs = 8_000

interface Slot {
  readonly node: NodePlan
  life: Life | undefined
  httpEntry: HttpEntry | undefined
  isReady: boolean
}

const servingOf = ({ life, httpEntry }: Slot): readonly Serving[] =>
  life === undefined || httpEntry === undefined ? [] : [{ life, httpEntry }]

export function openCluster(world: World, outside: Outside): Cluster {
  const slots: Slot[] = world.plan.nodes.map((node) => ({
    node,
    life: undefined,
    httpEntry: undefined,
    isReady: false,
  }))
  let lives = 0
  let isClosed = false

  async function begin(slot: Slot): Promise<void> {
    lives += 1
    const life = beginLife(world, slot.node.name)
    slot.life = life
    life.onDeath(() => {
      slot.httpEntry = undefined
      slot.isReady = false
      if (isClosed) return
      world.outside.clock.after(50 + world.random() * restartMsMax, () => void begin(slot))
    })
    world.trace.note(`${slot.node.name} starts`)
    try {
      await checkDisk(world)
      slot.httpEntry = await startProcess(configOf(world, slot.node, lives), life, outside)
      slot.isReady = true
    } catch (error) {
      if (!(error instanceof DatabaseUnavailableError)) {
        world.violate({ invariant: 'start', what: String(error) })
      }
      life.die('could not start')
    }
  }

  return {
    call: (request) => send(world, slots.flatMap(servingOf), request),
    async start() {
      await Promise.all(slots.map(begin))
    },
    pauseOne() {
      const life = slots[Math.floor(world.random() * slots.length)]?.life
      if (life === undefined || life.lane.isPaused() || !life.isAlive()) return
      world.trace.note(`${life.name} is stopped`)
      life.lane.pause()
      world.outside.clock.after(world.random() * pauseMsMax, () => {
        world.trace.note(`${life.name} goes on`)
        life.lane.resume()
      })
    },
    resumeAll() {
      for (const { life } of slots) life?.lane.resume()
    },
    close() {
      isClosed = true
      for (const { life } of slots) life?.die('the end')
    },
    isComplete: () => slots.every(({ isReady }) => isReady),
  }
}

/** Checks I22: the database on disk holds every invariant before a process gets ready. */
async function checkDisk({ observer, violate }: World): Promise<void> {
  for (const { id, violations, examples } of await auditInvariants(observer.database)) {
    if (violations > 0) violate({ invariant: id, what: `at a start: ${JSON.stringify(examples)}` })
  }
}

function configOf({ plan, random }: World, { name, role }: NodePlan, life: number): Config {
  const environment = {
    // The simulated broker behaves as NSQ does: several processes, signed messages.
    BROKER: 'nsq',
    NODE_ENV: 'test',
    ROLE: role,
    ADMIN_TOKEN: adminToken,
    LOG_LEVEL: 'silent',
    // A node without a configured name has another name after each start.
    NODE_ID: random() < 0.5 ? name : `${name}-${life}`,
    JWT_SECRET: 'jwt-secret-of-the-simulation-0123456789',
    PAYMENT_WEBHOOK_SECRET: webhookSecret,
    HOLD_SECONDS: String(plan.holdSeconds),
    ADD_TO_CART_ROUTING: plan.routing,
    ADD_TO_CART_WAIT_MS: String(waitMs),
    ADD_TO_CART_MAX_AGE_MS: String(maxAgeMs),
  }
  return loadConfig(environment, () => 'made-for-the-simulation-0123456789')
}
