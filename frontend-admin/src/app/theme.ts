import { createTheme, type MantineColorsTuple } from '@mantine/core'

/** Calm and dense: one quiet accent; red, amber and green are kept for what they mean. */
const ink: MantineColorsTuple = [
  '#eef4fa',
  '#dbe6f1',
  '#b4cce3',
  '#8ab0d5',
  '#6898c9',
  '#5189c2',
  '#4480bf',
  '#366ea9',
  '#2c6298',
  '#1c5487',
]

/** Dark enough that white words on it can be read (WCAG AA). */
const red: MantineColorsTuple = [
  '#fff5f5',
  '#ffe3e3',
  '#ffc9c9',
  '#ffa8a8',
  '#ff8787',
  '#f05252',
  '#d92f2f',
  '#c92a2a',
  '#c02626',
  '#a51d1d',
]

export const theme = createTheme({
  primaryColor: 'ink',
  primaryShade: { light: 7, dark: 8 },
  colors: { ink, red },
  autoContrast: true,
  defaultRadius: 'sm',
  fontFamily: 'Inter, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", Menlo, Consolas, monospace',
  fontSizes: { xs: '0.72rem', sm: '0.82rem', md: '0.9rem', lg: '1.05rem', xl: '1.25rem' },
  headings: {
    fontWeight: '600',
    sizes: { h1: { fontSize: '1.3rem' }, h2: { fontSize: '1.05rem' }, h3: { fontSize: '0.92rem' } },
  },
  components: {
    Button: { defaultProps: { size: 'xs' } },
    TextInput: { defaultProps: { size: 'xs' } },
    Select: { defaultProps: { size: 'xs' } },
    NumberInput: { defaultProps: { size: 'xs' } },
    Textarea: { defaultProps: { size: 'xs' } },
    Table: { defaultProps: { verticalSpacing: 4, horizontalSpacing: 'sm', fz: 'sm' } },
    Tooltip: { defaultProps: { withArrow: true, openDelay: 300 } },
  },
})
