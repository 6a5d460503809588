import { createBatcher } from '../batcher.ts'
import { DatabaseUnavailableError, type Database, type Script } from '../db/database.ts'

/**
 * Answers one question from the database.
 * @throws DatabaseUnavailableError
 */
export type Lookup<Question, Answer> = (question: Question) => Promise<Answer>

export interface LookupOptions<Question, Answer> {
  readonly database: Database
  /** Runs a task after the arrivals of the current tick. */
  readonly defer: (task: () => void) => void
  /** Reads one answer per question, in the order of the questions. */
  readonly read: (questions: readonly Question[]) => Script<readonly Answer[]>
}

const batchSizeMax = 1_000
/**
 * It equals the maximum of open connections: with 10,000 a crowd that double-clicks was refused.
 */
const waitingMax = 20_000

interface Asked<Question, Answer> {
  readonly question: Question
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

/**
 * Answers all questions of one tick of the event loop with one read. One read per question took a
 * tenth of the time of a hold.
 */
export function createLookup<Question, Answer>(
  options: LookupOptions<Question, Answer>,
): Lookup<Question, Answer> {
  const { database, defer, read } = options
  const asked = createBatcher<Asked<Question, Answer>>({ run: answer, batchSizeMax, defer })

  async function answer(batch: readonly Asked<Question, Answer>[]): Promise<void> {
    try {
      const answers = await database.read(() => read(batch.map(({ question }) => question)))
      if (answers.length !== batch.length) throw new Error('not one answer per question')
      for (const [index, { resolve }] of batch.entries()) resolve(answers[index] as Answer)
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }

  return (question) =>
    new Promise((resolve, reject) => {
      if (asked.size() >= waitingMax) {
        reject(new DatabaseUnavailableError('too many questions wait for the database'))
        return
      }
      asked.add({ question, resolve, reject })
    })
}
