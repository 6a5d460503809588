import type { Clock } from '../../clock.ts'
import type { Logger } from '../../logger.ts'
import type { SubscribeOptions, Subscription } from '../broker.ts'
import { openNsqReader, type NsqReader } from './reader.ts'

/**
 * The options of a subscription: it has one reader per nsqd, and together they hold at most
 * `inFlightMax`.
 */

export interface NsqSubscriptionOptions extends SubscribeOptions {
  /** Returns the nsqds that have the topic; undefined when that is unknown. */
  readonly locate: (topic: string) => Promise<readonly string[] | undefined>
  /** The interval of `locate`; undefined when the nsqds never change. */
  readonly locateEveryMs: number | undefined
  readonly messageTimeoutMs: number
  readonly drainTimeoutMs: number
  readonly clock: Clock
  readonly logger: Logger
  readonly random: () => number
}

export function openNsqSubscription(options: NsqSubscriptionOptions): Subscription {
  const readers = new Map<string, NsqReader>()
  /** The readers that are closing. */
  const leaving = new Set<Promise<void>>()
  let closing: Promise<void> | undefined
  let locating = Promise.resolve()
  let isLocating = false

  async function locate(): Promise<void> {
    const addresses = await options.locate(options.topic)
    // The nsqds are unknown or the topic is not registered yet, so connected readers stay.
    if (addresses === undefined || addresses.length === 0 || closing !== undefined) return
    follow(addresses)
  }

  function follow(addresses: readonly string[]): void {
    const wanted = new Set(addresses)
    for (const [address, reader] of readers) {
      // A connected reader stays although nsqlookupd no longer lists its nsqd.
      if (reader.connected()) wanted.add(address)
    }
    for (const [address, reader] of readers) {
      if (wanted.has(address)) continue
      readers.delete(address)
      leave(reader)
    }
    const inFlightMax = Math.max(1, Math.floor(options.inFlightMax / wanted.size))
    // A connected reader stays connected: closing it would wait for its messages in hand.
    for (const reader of readers.values()) reader.resize(inFlightMax)
    for (const address of wanted) {
      if (readers.has(address)) continue
      readers.set(address, openNsqReader({ ...options, address, inFlightMax }))
    }
  }

  function leave(reader: NsqReader): void {
    const left = reader.close().finally(() => leaving.delete(left))
    leaving.add(left)
  }

  async function close(): Promise<void> {
    cancelLocating()
    await locating
    for (const reader of readers.values()) leave(reader)
    await Promise.all(leaving)
  }

  function locateNext(): void {
    if (isLocating) return
    isLocating = true
    locating = locate()
      .catch((error: unknown) => {
        options.logger.warn({ err: error, topic: options.topic }, 'nsqds of a topic not found')
      })
      .finally(() => {
        isLocating = false
      })
  }

  const cancelLocating =
    options.locateEveryMs === undefined
      ? () => undefined
      : options.clock.every(options.locateEveryMs, locateNext)
  locateNext()

  return {
    connected: () => [...readers.values()].some((reader) => reader.connected()),
    isStandby: () => [...readers.values()].some((reader) => reader.isStandby()),
    close() {
      closing ??= close()
      return closing
    },
  }
}
