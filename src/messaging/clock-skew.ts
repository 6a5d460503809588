import type { Clock } from '../clock.ts'
import type { Logger } from '../logger.ts'
import type { Metrics } from '../metrics.ts'

/**
 * Measures how far the clocks of other nodes are from this one, by the stamps of their messages. A
 * message cannot arrive before it was sent, and the fastest one of ten seconds takes next to no time.
 */
export interface ClockSkew {
  /** Notes a message of `nodeId` with its stamp, epoch ms. Cheap enough for every batch. */
  observe(nodeId: string, sentAt: number): void
}

export interface ClockSkewOptions {
  readonly clock: Clock
  readonly metrics: Metrics
  readonly logger: Logger
  /**
   * Add-to-cart requests may wait in a queue for seconds, so a late one says nothing of the sender's
   * clock: then only clocks ahead of ours are found.
   */
  readonly finds: 'ahead' | 'ahead_and_behind'
}

const windowMs = 10_000
const warnMs = 1_000
/** More nodes than anybody runs. */
const nodesMax = 1_000

export function createClockSkew(options: ClockSkewOptions): ClockSkew {
  const { clock, metrics, logger, finds } = options
  /** The shortest time from stamp to receipt, by node. */
  const shortest = new Map<string, number>()
  let windowEndsAt = clock.monotonic() + windowMs
  let isWarned = false

  function observe(nodeId: string, sentAt: number): void {
    const took = clock.now() - sentAt
    const known = shortest.get(nodeId)
    if (known === undefined ? shortest.size < nodesMax : took < known) shortest.set(nodeId, took)
    if (clock.monotonic() >= windowEndsAt) endWindow()
  }

  function endWindow(): void {
    let worst = { nodeId: '', aheadMs: 0 }
    for (const [nodeId, took] of shortest) {
      const aheadMs = finds === 'ahead' ? Math.max(0, -took) : -took
      if (Math.abs(aheadMs) > Math.abs(worst.aheadMs)) worst = { nodeId, aheadMs }
    }
    shortest.clear()
    windowEndsAt = clock.monotonic() + windowMs
    metrics.clockSkewSeconds.set(worst.aheadMs / 1000)
    const isFar = Math.abs(worst.aheadMs) >= warnMs
    if (isFar && !isWarned) logger.warn(worst, 'the clock of another node is a second or more off')
    isWarned = isFar
  }

  return { observe }
}
