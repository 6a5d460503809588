import { readFlags, runCommand } from './command-line.ts'

/**
 * This file is run by `npm start`. It loads the program only when it is to be started: `--help`
 * needs none of it, and a driver that cannot be loaded is a sentence instead of a stack.
 */
const usage = `Usage: npm start

Starts the program: HTTP, consumers and cron in one process, or one role of it (ROLE=api, ROLE=worker).
npm run dev does the same and starts it again on every change of the sources.

Everything is read from the environment, and from a .env file in the working directory; .env.example
lists every variable with its default, such as PORT=3000. Ctrl-C or SIGTERM stops it in order.

  --help   this text

Exit code: 0 stopped in order, 1 it could not start or crashed, 2 wrong usage.`

await runCommand({
  usage,
  failureExitCode: 1,
  async run(args) {
    readFlags(args, {})
    const { startProgram } = await import('./program.ts')
    await startProgram()
    return undefined
  },
})
