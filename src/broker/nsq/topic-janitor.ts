import type { Cancel, Clock } from '../../clock.ts'
import type { Service } from '../../lifecycle.ts'
import type { Logger } from '../../logger.ts'
import { createNsqdHttp, type NsqdHttp } from './http.ts'

/**
 * A result published late to a dead node re-creates that node's ephemeral topic, without a channel, and
 * nsqd keeps it for ever. This deletes such topics.
 */

export interface TopicJanitorOptions {
  /** host:port of every nsqd. */
  readonly httpAddresses: readonly string[]
  /** Only topics whose name begins so. */
  readonly prefix: string
  readonly everyMs: number
  readonly clock: Clock
  readonly logger: Logger
}

/** Looks every `everyMs`; a topic goes when it was dead twice in a row. */
export function createTopicJanitor(options: TopicJanitorOptions): Service {
  const { clock, logger, prefix } = options
  const nsqds = options.httpAddresses.map(
    (address): { http: NsqdHttp; suspects: Tidied['suspects'] } => ({
      http: createNsqdHttp(address),
      suspects: new Set(),
    }),
  )
  let cancel: Cancel | undefined
  let running = Promise.resolve()
  let isRunning = false

  async function run(): Promise<void> {
    for (const nsqd of nsqds) {
      try {
        const { suspects, deleted } = await deleteDeadResultTopics(nsqd.http, prefix, nsqd.suspects)
        nsqd.suspects = suspects
        if (deleted.length > 0) logger.info({ topics: deleted }, 'deleted dead result topics')
      } catch (error) {
        // An nsqd that is away has no topics to tidy; the writer says that it is away.
        logger.debug({ err: error }, 'could not look for dead result topics')
      }
    }
  }

  return {
    name: 'topic janitor',
    start() {
      cancel ??= clock.every(options.everyMs, () => {
        if (isRunning) return
        isRunning = true
        running = run().finally(() => {
          isRunning = false
        })
      })
      return Promise.resolve()
    },
    async stop() {
      cancel?.()
      await running
    },
  }
}

export interface Tidied {
  readonly deleted: readonly string[]
  /** Dead now; to be given to the next call. */
  readonly suspects: ReadonlySet<string>
}

/**
 * Deletes the ephemeral topics without a channel that were so at the last call too: a node that has
 * just made its topic and not yet its channel must not lose it.
 * @throws BrokerUnavailableError
 */
export async function deleteDeadResultTopics(
  nsqd: Pick<NsqdHttp, 'stats' | 'deleteTopic'>,
  prefix: string,
  suspects: ReadonlySet<string>,
): Promise<Tidied> {
  const dead = (await nsqd.stats())
    .filter(({ topic, channels }) => topic.startsWith(prefix) && channels.length === 0)
    .map(({ topic }) => topic)
    .filter((topic) => topic.endsWith('#ephemeral'))
  const deleted = dead.filter((topic) => suspects.has(topic))
  for (const topic of deleted) await nsqd.deleteTopic(topic)
  return { deleted, suspects: new Set(dead) }
}
