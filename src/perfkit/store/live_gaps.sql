SELECT source, since, until, 'gap', '', missed, NULL FROM gaps JOIN live_after USING (source) WHERE until > after
