import { setupServer } from 'msw/node'

/** The system that component tests talk to; each test says what it answers. */
export const server = setupServer()
