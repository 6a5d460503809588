import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { wait, type Clock } from '../../clock.ts'
import { readDataVersion } from '../../db/data-version.ts'
import type { Database, Script } from '../../db/database.ts'
import type { RouteReply } from './route.ts'

/**
 * Answers that are the same for all callers: the list of sales, one sale, a stock. They are read
 * and serialised once and their bytes are sent to all, until something in the database changes.
 * Every request reads the version of the database, which costs 6 µs, so that no answer is older
 * than the last commit of this process or another. Entries that live for a second were rejected: a
 * shopper who reads the stock after their own hold would see the old one.
 */
export interface SharedPages {
  /**
   * The page with this key; undefined when there is nothing to show, which is not remembered.
   * @throws DatabaseUnavailableError
   */
  answer<Shown>(key: string, page: SharedPage<Shown>): Promise<RouteReply | undefined>
}

export interface SharedPage<Shown> {
  /** Reads what is shown; undefined when it does not exist. */
  readonly read: (now: number) => Script<Shown | undefined>
  /** The body as it is sent. */
  readonly view: (shown: Shown, now: number) => unknown
  /** When the view changes by the clock alone, epoch ms. */
  readonly changesAt: (shown: Shown, now: number) => number
}

export interface SharedPagesOptions {
  readonly database: Database
  readonly clock: Clock
  /** Runs a task after the arrivals of the current tick. */
  readonly defer: (task: () => void) => void
}

const pagesMax = 1_000
const bytesMax = 16_000_000
/** Caches in front may show a page for this long without asking. */
const headers = { 'content-type': 'application/json', 'cache-control': 'public, max-age=1' }
/** `serverTime` in a body is at most this old. */
const goodForMs = 1_000
/**
 * While commits come all the time a page is read again only after it rested ten times as long as
 * the reading took: one page then never costs more than a tenth of the event loop. Callers wait for
 * it meanwhile.
 */
const restFactor = 10
const restMsMax = 250

interface Page {
  readonly version: string
  /** Epoch ms. */
  readonly goodUntil: number
  /** Monotonic ms. */
  readonly restsUntil: number
  readonly bytes: Buffer
  readonly etag: string
}

export function createSharedPages({ database, clock, defer }: SharedPagesOptions): SharedPages {
  const pages = new LRUCache<string, Page>({
    max: pagesMax,
    maxSize: bytesMax,
    maxEntrySize: bytesMax,
    sizeCalculation: ({ bytes }) => bytes.length,
  })
  /**
   * Readings that have not begun: what they will read is newer than everybody who waits for them.
   */
  const coming = new Map<string, Promise<Page | undefined>>()

  async function isCurrent(page: Page): Promise<boolean> {
    if (clock.now() >= page.goodUntil) return false
    return (await database.read(readDataVersion)) === page.version
  }

  async function readSoon<Shown>(key: string, page: SharedPage<Shown>): Promise<Page | undefined> {
    try {
      const restMs = (pages.get(key)?.restsUntil ?? 0) - clock.monotonic()
      if (restMs > 0) await wait(clock, restMs)
      else await new Promise<void>(defer)
    } finally {
      coming.delete(key)
    }
    const made = await make(page)
    if (made === undefined) pages.delete(key)
    else pages.set(key, made)
    return made
  }

  async function make<Shown>({ read, view, changesAt }: SharedPage<Shown>) {
    const startedAt = clock.monotonic()
    const now = clock.now()
    const { version, shown } = await database.read(() => versioned(read(now)))
    if (shown === undefined) return undefined
    const text = JSON.stringify(view(shown, now))
    const bytes = Buffer.from(text)
    const etag = etagOf(text)
    const tookMs = clock.monotonic() - startedAt
    return {
      version,
      goodUntil: Math.min(now + goodForMs, changesAt(shown, now)),
      restsUntil: startedAt + tookMs + Math.min(tookMs * restFactor, restMsMax),
      bytes,
      etag,
    }
  }

  async function current<Shown>(key: string, page: SharedPage<Shown>): Promise<Page | undefined> {
    const known = pages.get(key)
    if (known !== undefined && (await isCurrent(known))) return known
    const reading = coming.get(key) ?? readSoon(key, page)
    // Those who found a reading there set the same one again, which changes nothing.
    coming.set(key, reading)
    return reading
  }

  return {
    async answer(key, page) {
      const shown = await current(key, page)
      if (shown === undefined) return undefined
      const { bytes, etag } = shown
      return { status: 200, headers: { ...headers, etag }, bytes }
    },
  }
}

/** The result of a script and the version of the database it was read from. */
function* versioned<T>(script: Script<T>): Script<{ readonly version: string; readonly shown: T }> {
  const version = yield* readDataVersion()
  return { version, shown: yield* script }
}

/**
 * A weak validator (RFC 9110, 8.8.1): pages that differ in `serverTime` alone mean the same, and a
 * client that has one of them needs no other.
 */
function etagOf(text: string): string {
  const withoutTime = text.replaceAll(/"serverTime":"[^"]*",/g, '')
  return `W/"${createHash('sha256').update(withoutTime).digest('base64url').slice(0, 22)}"`
}
