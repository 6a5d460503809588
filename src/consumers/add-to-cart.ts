import { createBatcher } from '../batcher.ts'
import type { Broker, Message } from '../broker/broker.ts'
import type { AddToCartOutcome } from '../domain/reservation.ts'
import type { Logger } from '../logger.ts'
import {
  addToCartResultTopic,
  isForOtherProduct,
  type AddToCart,
  type MessageCodec,
} from '../messages.ts'
import type { Park } from '../parking.ts'
import type { Decider } from './decide.ts'

/**
 * Receives add-to-cart requests from the channels of all products sold here, has them decided batch
 * by batch, sends the outcomes to the API nodes they came from, then finishes the messages. It never
 * tells an outcome before the commit and never finishes before the outcome is published.
 */
export interface AddToCartConsumer {
  /** Takes one message from the channel of `productId`. */
  receive(topic: string, productId: number, message: Message): void
  /** Waits until everything received is decided, told and finished. */
  stop(): Promise<void>
}

export interface AddToCartConsumerOptions {
  readonly broker: Broker
  readonly codec: MessageCodec
  readonly decider: Decider
  readonly park: Park
  readonly logger: Logger
  readonly defer: (task: () => void) => void
}

const batchSizeMax = 512
const requeueDelayMs = 1_000

interface Received {
  readonly message: Message
  readonly attempts: number
  readonly request: AddToCart
}

interface Decided extends Received {
  readonly outcome: AddToCartOutcome
}

export function createAddToCartConsumer(options: AddToCartConsumerOptions): AddToCartConsumer {
  const { codec, decider, park, logger } = options
  const batcher = createBatcher<Received>({ run: decide, batchSizeMax, defer: options.defer })
  const announcements = new Set<Promise<void>>()
  let stopped = false

  function receive(topic: string, productId: number, message: Message): void {
    if (isForOtherProduct(message.body, productId)) {
      message.finish()
      return
    }
    const opened = codec.open('add_to_cart', topic, message.body)
    if (opened.readable && opened.message.productId === productId) {
      batcher.add({ message, attempts: message.attempts, request: opened.message })
      return
    }
    if (!opened.readable) park('add_to_cart', opened.reason, message.body)
    message.finish()
  }

  async function decide(batch: readonly Received[]): Promise<void> {
    const refused: Decided[] = []
    const undecided: Received[] = []
    for (const received of batch) {
      const outcome = decider.refuse(received)
      if (outcome === undefined) undecided.push(received)
      else refused.push({ ...received, outcome })
    }
    announce(refused)
    if (undecided.length > 0) await ask(undecided)
  }

  async function ask(batch: readonly Received[]): Promise<void> {
    const touchAll = (): void => {
      for (const { message } of batch) message.touch()
    }
    try {
      const answers = await decider.ask(batch, { onWait: touchAll, goOn: () => !stopped })
      announce(batch.flatMap((received, index) => withOutcome(received, answers[index])))
    } catch (error) {
      // Stopping while the database is away: the messages stay with the broker.
      logger.warn({ err: error, batchSize: batch.length }, 'batch given back undecided')
    }
  }

  function withOutcome(received: Received, outcome: AddToCartOutcome | undefined): Decided[] {
    if (outcome !== undefined) return [{ ...received, outcome }]
    park('add_to_cart', 'poison', received.message.body)
    received.message.finish()
    return []
  }

  /** Runs beside the next batch's transaction. */
  function announce(all: readonly Decided[]): void {
    for (const [nodeId, some] of groupByNode(all)) {
      const announcement = publishThenFinish(nodeId, some, options)
      announcements.add(announcement)
      void announcement.then(() => announcements.delete(announcement))
    }
  }

  async function stop(): Promise<void> {
    stopped = true
    await batcher.idle()
    await Promise.all(announcements)
  }

  return { receive, stop }
}

async function publishThenFinish(
  nodeId: string,
  some: readonly Decided[],
  { broker, codec, logger }: AddToCartConsumerOptions,
): Promise<void> {
  const topic = addToCartResultTopic(nodeId)
  const outcomes = some.map(({ request, outcome }) => ({ requestId: request.requestId, outcome }))
  try {
    await broker.publish(topic, [codec.seal('add_to_cart_result', topic, { outcomes })])
    for (const { message } of some) message.finish()
  } catch (error) {
    logger.warn(
      { err: error, nodeId, outcomes: some.length },
      'outcomes not published, will repeat',
    )
    for (const { message } of some) message.requeue(requeueDelayMs)
  }
}

function groupByNode(all: readonly Decided[]): ReadonlyMap<string, Decided[]> {
  const groups = new Map<string, Decided[]>()
  for (const each of all) {
    const group = groups.get(each.request.nodeId)
    if (group === undefined) groups.set(each.request.nodeId, [each])
    else group.push(each)
  }
  return groups
}
