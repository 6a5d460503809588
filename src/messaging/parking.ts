import type { Broker } from '../broker/broker.ts'
import type { Logger } from '../logger.ts'
import { parkedChannel, parkedTopic } from './topics.ts'
import type { MessageType } from './messages.ts'
import type { UnreadableReason } from './envelope.ts'
import type { Metrics } from '../metrics.ts'

/**
 * Publishes an unreadable message to the topic `parked_messages`, where an operator can look at it.
 */
export type Park = (type: MessageType, reason: UnreadableReason | 'poison', body: Buffer) => void

export interface ParkingOptions {
  readonly broker: Broker
  readonly metrics: Metrics
  readonly logger: Logger
  readonly now: () => number
}

/** The JSON that an operator reads from the topic. */
interface ParkedMessage {
  readonly type: MessageType
  readonly reason: string
  /** The size of the whole message. */
  readonly bytes: number
  readonly parkedAt: number
  /** The beginning of the message. */
  readonly base64: string
}

const keptBytesMax = 4096
/** All unreadable messages are counted, but only this many per minute are kept. */
const keptPerMinuteMax = 100

export function createParking(options: ParkingOptions): Park {
  const { broker, metrics, logger, now } = options
  let minute = 0
  let kept = 0

  async function keep(record: ParkedMessage): Promise<void> {
    try {
      await broker.createChannel(parkedTopic, parkedChannel)
      await broker.publish(parkedTopic, [Buffer.from(JSON.stringify(record))])
    } catch (error) {
      const { type, reason, bytes } = record
      logger.warn({ err: error, type, reason, bytes }, 'unreadable message could not be parked')
    }
  }

  return (type, reason, body) => {
    metrics.unreadableMessages.inc({ type, reason })
    const thisMinute = Math.floor(now() / 60_000)
    if (thisMinute !== minute) {
      minute = thisMinute
      kept = 0
    }
    kept += 1
    if (kept > keptPerMinuteMax) return
    logger.warn({ type, reason, bytes: body.length }, 'unreadable message parked')
    const start = body.subarray(0, keptBytesMax).toString('base64')
    void keep({ type, reason, bytes: body.length, parkedAt: now(), base64: start })
  }
}
