import type { BrokerHost } from './broker-host.ts'
import type { World } from './world.ts'

interface Publication {
  readonly topic: string
  readonly bodies: readonly Buffer[]
}

const delayMsMax = 4_000

/** What arrives at the broker now: some messages are dropped, some come later, some twice. */
export function arriving(
  world: World,
  host: BrokerHost,
  { topic, bodies }: Publication,
): readonly Buffer[] {
  // A request is given out twice only as a second attempt, as nsqd does it; see `finishLost`.
  const mayRepeat = !topic.startsWith('add_to_cart.')
  const now: Buffer[] = []
  for (const body of bodies) {
    if (world.hits('messageDropped')) world.trace.note(`a message to ${topic} is dropped`)
    else if (world.hits('messageDelayed')) later(world, host, { topic, bodies: [body] })
    else now.push(body, ...(mayRepeat && world.hits('messageTwice') ? [body] : []))
  }
  return now
}

function later(world: World, host: BrokerHost, { topic, bodies }: Publication): void {
  const delayMs = Math.ceil(world.random() * delayMsMax)
  world.trace.note(`a message to ${topic} takes ${delayMs} ms`)
  world.outside.clock.after(delayMs, () => {
    // Whoever sent it has its answer already.
    host
      .current()
      ?.publish(topic, bodies)
      .catch(() => undefined)
  })
}
