"""Load: requests sent as planned whatever becomes of the answers, and what was measured of them.

It knows no command line, and asks any server over HTTP/1.1; one request costs some 20 to 60 microseconds of CPU:

    target = Target.at("http://127.0.0.1:8080")
    load = Load(target, (target.post("/predict", body),), read_v1)
    measured = await open_loop(load, constant(rate=200, seconds=30))
    summary = summary_of(measured, seconds=30, rate=200)
    assert not Objective(p99_ms=50, share=0.999).missed(summary)
"""
