import type { BrokerHost } from './broker-host.ts'
import type { World } from './world.ts'

interface Publication {
  readonly topic: string
  readonly bodies: readonly Buffer[]
}

const delayMsMax = 4_000

/**
 * Returns the messages that arrive at the broker now; it drops some, delays some and repeats some.
 */
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
    // The sender has its answer already, so a failure of the delayed publish is ignored.
    host
      .current()
      ?.publish(topic, bodies)
      .catch(() => undefined)
  })
}
