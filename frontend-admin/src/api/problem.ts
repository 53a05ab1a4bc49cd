/** How every service refuses: a code, a sentence, and the wrong field. */
export interface Problem {
  code: string
  message: string
  field: string
}

/** A request that was refused, or had no answer (status 0). */
export class RequestFailed extends Error {
  readonly status: number
  readonly problem: Problem

  constructor(status: number, problem: Problem) {
    super(problem.message)
    this.name = 'RequestFailed'
    this.status = status
    this.problem = problem
  }
}

/** What to tell a person of any error. */
export function sentenceOf(error: unknown): string {
  if (error instanceof RequestFailed) return `${error.message} (${error.problem.code})`
  return error instanceof Error ? error.message : 'something failed'
}
