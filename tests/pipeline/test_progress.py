import logging

from spark_cxr.pipeline.progress import progress, progress_line


def test_a_line_counts_images_and_says_speed_and_time_left():
    line = progress_line("featurizing", 1000, 0.25, 10.0)
    assert line == "featurizing: 250 of 1,000 images, 25.0 images/s, 30 s left"


def test_minutes_are_said_as_minutes():
    assert progress_line("x", 10_000, 0.1, 60.0).endswith("9 min 00 s left")


def test_the_last_line_has_no_time_left():
    assert progress_line("x", 10, 1.0, 2.0) == "x: 10 of 10 images, 5.0 images/s"


def test_a_block_ends_with_a_line_for_all_images(spark, caplog):
    caplog.set_level(logging.INFO, "spark_cxr")
    with progress(spark, "counting", 100):
        spark.range(100, numPartitions=4).count()
    assert caplog.messages[-1].startswith("counting: 100 of 100 images")


def test_lines_of_a_cluster_count_its_tasks(spark, monkeypatch, caplog):
    from spark_cxr.pipeline import progress as module

    monkeypatch.setattr(module, "all_here", lambda _: False)
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.05)
    caplog.set_level(logging.INFO, "spark_cxr")

    def slow(batches):
        import time

        for batch in batches:
            time.sleep(0.2)
            yield batch

    with progress(spark, "x", 80):
        spark.range(80, numPartitions=8).mapInPandas(slow, "id bigint").count()
    shares = [int(line.split()[1]) for line in caplog.messages]
    assert shares == sorted(shares)
    assert any(0 < share < 80 for share in shares)


def test_a_shuffle_on_one_host_counts_no_films(spark, monkeypatch, caplog):
    from spark_cxr.pipeline import progress as module

    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.05)
    caplog.set_level(logging.INFO, "spark_cxr")

    def slow(batches):
        import time

        time.sleep(0.2)
        yield from batches

    with progress(spark, "x", 80):
        spark.range(80, numPartitions=8).mapInPandas(slow, "id bigint").repartition(2).count()
    assert {line.split()[1] for line in caplog.messages[:-1]} == {"0"}
