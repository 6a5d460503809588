import type { Broker } from '../../src/broker/broker.ts'
import { createEmbeddedBroker } from '../../src/broker/embedded/embedded-broker.ts'
import { quietLogger } from './quiet-logger.ts'
import type { World } from './world.ts'

/** The broker as a process of its own. When it is killed it comes back without its queues. */
export interface BrokerHost {
  /** Returns the running broker; undefined while it is down. */
  current(): Broker | undefined
  kill(downMs: number): void
  /** Calls `task` whenever the broker is back. Returns how to stop that. */
  onReturn(task: () => void): () => void
  /** The ids of requests whose outcome the broker has accepted. */
  readonly told: Set<string>
}

const messageTimeoutMs = 3_000

export async function startBrokerHost(world: World): Promise<BrokerHost> {
  const waiting = new Set<() => void>()
  let generation = 0
  let current = await open()
  let isUp = true

  async function open() {
    generation += 1
    const lane = world.schedule.lane(`broker ${generation}`)
    const broker = createEmbeddedBroker({
      clock: lane.clock,
      logger: quietLogger,
      random: world.random,
      defer: lane.defer,
      faults: () => ({ reorderRate: world.faults().reorder, lostFinishRate: 0 }),
      messageTimeoutMs,
      drainTimeoutMs: 1,
    })
    await broker.start()
    return { broker, lane }
  }

  return {
    told: new Set(),
    current: () => (isUp ? current.broker : undefined),
    kill(downMs) {
      if (!isUp) return
      world.trace.note(`broker is killed for ${downMs} ms`)
      isUp = false
      current.lane.kill()
      world.outside.clock.after(downMs, () => {
        void open().then((opened) => {
          current = opened
          isUp = true
          world.trace.note('broker is back')
          for (const task of waiting) task()
        })
      })
    },
    onReturn(task) {
      waiting.add(task)
      return () => {
        waiting.delete(task)
      }
    },
  }
}
