import type { Cancel, Clock } from '../../clock.ts'
import type { Service } from '../../lifecycle.ts'
import type { Logger } from '../../logger.ts'
import { createNsqdHttp, type NsqdHttp } from './http.ts'

/**
 * The options of the janitor, which deletes dead topics: a result published late to a dead node
 * creates the node's ephemeral topic again, without a channel, and nsqd would keep it for ever.
 */

export interface TopicJanitorOptions {
  /** The HTTP addresses of all nsqds, host:port. */
  readonly httpAddresses: readonly string[]
  /** Only topics with this prefix are deleted. */
  readonly prefix: string
  readonly everyMs: number
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Makes the janitor. It checks every `everyMs` and deletes a topic that was dead twice in a row.
 */
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
        // An unreachable nsqd has no topics to delete; the writer already logs that it is away.
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
  /** The topics that are dead now; the caller passes them to the next call. */
  readonly suspects: ReadonlySet<string>
}

/**
 * Deletes the ephemeral topics that have no channel now and had none at the last call. A node that has just
 * created its topic and not yet its channel must not lose it.
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
