"""One run of a notebook to its end, and what it showed.

job = ValidationJob(notebook=data, name="A1.py", release=released, python=environment.python)
result = validate(job, ProcessRunner(), on_check=print)      # run.py, process_runner.py
result.to_json()                       # the answer to /validate; result.html is the report

Imports nothing here: the process that only parses (prepare.py) starts in a third of the time without the rest.
"""
