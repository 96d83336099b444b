"""
The agency-neutral shapes that callers and mappings speak. The list below is the whole of them; start with `citizen.py`.

Importing this needs pydantic and python-stdnum only, so that a caller's software can use the models without the hub.
"""

from collections.abc import Mapping
from types import MappingProxyType

from pydantic import BaseModel

from mappings.canonical.address import Address
from mappings.canonical.business import (
    Business,
    BusinessActivity,
    BusinessAddress,
    BusinessQuery,
    BusinessRepresentative,
    BusinessStatus,
)
from mappings.canonical.catalogues import (
    Catalogue,
    CatalogueEntry,
    CatalogueUser,
    ReceiptNumbers,
    UserCatalogue,
)
from mappings.canonical.citizen import Citizen, CitizenQuery, FamilyRecords, HouseholdHead, Relative, Verification
from mappings.canonical.civil_status import (
    CivilPerson,
    CivilStatusForm,
    DeathFacts,
    Registration,
    RegistrationList,
    RegistrationQuery,
    RegistrationResult,
    RegistrationResultQuery,
    RegistrationStep,
)
from mappings.canonical.complaints import Complaint, ForwardedFeedback, HandlingReport, Sender, ServiceRating
from mappings.canonical.document_store import (
    FetchedFile,
    StoredDocument,
    StoredDocumentQuery,
    StoredDocuments,
    StoredFile,
    StoredFileQuery,
    WantedDocument,
)
from mappings.canonical.dossier import Dossier, DossierQuery, ProcessingStep
from mappings.canonical.dossier_notices import (
    DossierProgress,
    DossierRemark,
    GivenOpinion,
    ReceivedDossier,
    ReturnedDossier,
    ReturnedResult,
    SupplementReceipt,
    SupplementRequest,
    WithdrawnDossier,
)
from mappings.canonical.dossier_parts import (
    Attachment,
    ConsultedDatabase,
    Contact,
    Document,
    Fee,
    Identity,
    Owner,
    ResultPaper,
    Supplement,
    SupplementPaper,
)
from mappings.canonical.e_documents import (
    AttachmentAddress,
    Correspondent,
    DocumentFile,
    DocumentStaff,
    DocumentStatusQuery,
    DocumentStatusReport,
    EDocument,
    EDocumentReceipt,
    ReceiverChange,
    RefusedMessage,
    RelatedDocument,
    ReplacedDocument,
    Signatory,
    StoredAttachment,
    TraceStep,
    WaitingMessage,
    WaitingMessages,
    WaitingQuery,
)
from mappings.canonical.health_insurance import (
    HealthCard,
    HealthCardQuery,
    HouseholdMember,
    InsuredHousehold,
    NewHealthCard,
    Participation,
    ParticipationQuery,
)
from mappings.canonical.land import LandMatter, LandPlot
from mappings.canonical.partial_date import PartialDate
from mappings.canonical.payment import (
    Beneficiary,
    Fine,
    Payer,
    PaymentItem,
    PaymentLink,
    PaymentOrder,
    PaymentQuery,
    PaymentReceipt,
    PaymentResult,
)
from mappings.canonical.post import CodedPostOrder, PostCancellation, PostOrder, PostParty, ShipmentStep
from mappings.canonical.procedure import (
    Components,
    LegalBasis,
    Procedure,
    ProcedureAgency,
    ProcedureField,
    ProcedureQuery,
    ProcedureResult,
    ProcedureStep,
    RequiredPaper,
    Sequence,
    Subject,
    Way,
    WayFee,
    WayTime,
)
from mappings.canonical.questions import CitizenQuestion, Feedback, QuestionAnswer
from mappings.canonical.shape import MASK, is_personal, mask, personal_paths
from mappings.canonical.tax import TaxItem, TaxNotice, TaxVoucher
from mappings.canonical.taxpayer import Taxpayer, TaxpayerQuery
from mappings.canonical.transfer import Acknowledgement, FiledSupplement, ResultConfirmation, ResultRefusal
from mappings.canonical.utilities import (
    UtilityApplicant,
    UtilityBill,
    UtilityBillQuery,
    UtilityBills,
    UtilityCatalogueQuery,
    UtilityCustomer,
    UtilityCustomerQuery,
    UtilityDocument,
    UtilityDocuments,
    UtilityFile,
    UtilityFileQuery,
    UtilityProgress,
    UtilityReceipt,
    UtilityRequest,
    UtilityRequestQuery,
    UtilityStep,
)

CANONICAL: Mapping[str, type[BaseModel]] = MappingProxyType(
    {
        "Citizen@1": Citizen,
        "CitizenQuery@1": CitizenQuery,
        "Verification@1": Verification,
        "FamilyRecords@1": FamilyRecords,
        "Address@1": Address,
        "Dossier@1": Dossier,
        "DossierQuery@1": DossierQuery,
        "ProcessingStep@1": ProcessingStep,
        "Procedure@1": Procedure,
        "ProcedureQuery@1": ProcedureQuery,
        "PaymentOrder@1": PaymentOrder,
        "PaymentLink@1": PaymentLink,
        "PaymentQuery@1": PaymentQuery,
        "PaymentResult@1": PaymentResult,
        "PaymentReceipt@1": PaymentReceipt,
        "Business@1": Business,
        "BusinessQuery@1": BusinessQuery,
        # Dossiers that were moved to another agency.
        "FiledSupplement@1": FiledSupplement,
        "ResultConfirmation@1": ResultConfirmation,
        "ResultRefusal@1": ResultRefusal,
        "Acknowledgement@1": Acknowledgement,
        "DossierProgress@1": DossierProgress,
        "SupplementRequest@1": SupplementRequest,
        "SupplementReceipt@1": SupplementReceipt,
        "ReturnedResult@1": ReturnedResult,
        "ReturnedDossier@1": ReturnedDossier,
        "DossierRemark@1": DossierRemark,
        "ReceivedDossier@1": ReceivedDossier,
        "WithdrawnDossier@1": WithdrawnDossier,
        "GivenOpinion@1": GivenOpinion,
        "TaxNotice@1": TaxNotice,
        "TaxVoucher@1": TaxVoucher,
        # Lists, questions and the national store of documents.
        "Catalogue@1": Catalogue,
        "UserCatalogue@1": UserCatalogue,
        "ReceiptNumbers@1": ReceiptNumbers,
        "CitizenQuestion@1": CitizenQuestion,
        "QuestionAnswer@1": QuestionAnswer,
        "Feedback@1": Feedback,
        "Complaint@1": Complaint,
        "ForwardedFeedback@1": ForwardedFeedback,
        "HandlingReport@1": HandlingReport,
        "ServiceRating@1": ServiceRating,
        "StoredDocumentQuery@1": StoredDocumentQuery,
        "StoredDocuments@1": StoredDocuments,
        "StoredFileQuery@1": StoredFileQuery,
        "FetchedFile@1": FetchedFile,
        # Power and water.
        "UtilityBillQuery@1": UtilityBillQuery,
        "UtilityBills@1": UtilityBills,
        "UtilityCatalogueQuery@1": UtilityCatalogueQuery,
        "UtilityCustomer@1": UtilityCustomer,
        "UtilityCustomerQuery@1": UtilityCustomerQuery,
        "UtilityDocuments@1": UtilityDocuments,
        "UtilityFile@1": UtilityFile,
        "UtilityFileQuery@1": UtilityFileQuery,
        "UtilityProgress@1": UtilityProgress,
        "UtilityReceipt@1": UtilityReceipt,
        "UtilityRequest@1": UtilityRequest,
        "UtilityRequestQuery@1": UtilityRequestQuery,
        # Official documents between agencies.
        "EDocument@1": EDocument,
        "EDocumentReceipt@1": EDocumentReceipt,
        "DocumentStatusReport@1": DocumentStatusReport,
        "DocumentStatusQuery@1": DocumentStatusQuery,
        "WaitingMessage@1": WaitingMessage,
        "WaitingMessages@1": WaitingMessages,
        "WaitingQuery@1": WaitingQuery,
        "RefusedMessage@1": RefusedMessage,
        "StoredAttachment@1": StoredAttachment,
        "AttachmentAddress@1": AttachmentAddress,
        # What the post carries.
        "PostOrder@1": PostOrder,
        "CodedPostOrder@1": CodedPostOrder,
        "PostCancellation@1": PostCancellation,
        "ShipmentStep@1": ShipmentStep,
        # Social insurance.
        "HealthCardQuery@1": HealthCardQuery,
        "HealthCard@1": HealthCard,
        "ParticipationQuery@1": ParticipationQuery,
        "Participation@1": Participation,
        "InsuredHousehold@1": InsuredHousehold,
        # Tax.
        "TaxpayerQuery@1": TaxpayerQuery,
        "Taxpayer@1": Taxpayer,
        # Linked civil-status services.
        "RegistrationList@1": RegistrationList,
        "RegistrationQuery@1": RegistrationQuery,
        "Registration@1": Registration,
        "RegistrationResultQuery@1": RegistrationResultQuery,
        "RegistrationResult@1": RegistrationResult,
        "RegistrationStep@1": RegistrationStep,
        # Parts of the above, for the mappings that others name in `map`.
        "Relative@1": Relative,
        "HouseholdHead@1": HouseholdHead,
        "Owner@1": Owner,
        "Identity@1": Identity,
        "Contact@1": Contact,
        "Document@1": Document,
        "Fee@1": Fee,
        "Attachment@1": Attachment,
        "Supplement@1": Supplement,
        "SupplementPaper@1": SupplementPaper,
        "ResultPaper@1": ResultPaper,
        "ConsultedDatabase@1": ConsultedDatabase,
        "ProcedureField@1": ProcedureField,
        "Sequence@1": Sequence,
        "ProcedureStep@1": ProcedureStep,
        "Way@1": Way,
        "WayTime@1": WayTime,
        "WayFee@1": WayFee,
        "Components@1": Components,
        "RequiredPaper@1": RequiredPaper,
        "Subject@1": Subject,
        "ProcedureResult@1": ProcedureResult,
        "LegalBasis@1": LegalBasis,
        "ProcedureAgency@1": ProcedureAgency,
        "Beneficiary@1": Beneficiary,
        "Payer@1": Payer,
        "Fine@1": Fine,
        "PaymentItem@1": PaymentItem,
        "BusinessStatus@1": BusinessStatus,
        "BusinessRepresentative@1": BusinessRepresentative,
        "BusinessAddress@1": BusinessAddress,
        "BusinessActivity@1": BusinessActivity,
        "LandMatter@1": LandMatter,
        "LandPlot@1": LandPlot,
        "TaxItem@1": TaxItem,
        "CatalogueEntry@1": CatalogueEntry,
        "CatalogueUser@1": CatalogueUser,
        "WantedDocument@1": WantedDocument,
        "StoredDocument@1": StoredDocument,
        "StoredFile@1": StoredFile,
        "UtilityApplicant@1": UtilityApplicant,
        "UtilityBill@1": UtilityBill,
        "UtilityDocument@1": UtilityDocument,
        "UtilityStep@1": UtilityStep,
        "Correspondent@1": Correspondent,
        "DocumentFile@1": DocumentFile,
        "DocumentStaff@1": DocumentStaff,
        "ReceiverChange@1": ReceiverChange,
        "RelatedDocument@1": RelatedDocument,
        "ReplacedDocument@1": ReplacedDocument,
        "Signatory@1": Signatory,
        "TraceStep@1": TraceStep,
        "PostParty@1": PostParty,
        "Sender@1": Sender,
        "NewHealthCard@1": NewHealthCard,
        "HouseholdMember@1": HouseholdMember,
        "CivilStatusForm@1": CivilStatusForm,
        "CivilPerson@1": CivilPerson,
        "DeathFacts@1": DeathFacts,
    }
)
"""Every canonical model by the versioned name that mappings use. A changed meaning is a new version beside the old."""

IDENTITY: Mapping[str, str] = MappingProxyType(
    {
        "Citizen@1": "citizen_id",
        "CitizenQuery@1": "citizen_id",
        "Dossier@1": "code",
        "DossierQuery@1": "code",
        "ProcessingStep@1": "dossier",
        "Procedure@1": "code",
        "ProcedureQuery@1": "code",
        "PaymentQuery@1": "reference",
        "PaymentResult@1": "reference",
        "Business@1": "code",
        "BusinessQuery@1": "code",
        "FiledSupplement@1": "dossier",
        "ResultConfirmation@1": "dossier",
        "ResultRefusal@1": "dossier",
        "WithdrawnDossier@1": "dossier",
        "QuestionAnswer@1": "question",
        "ForwardedFeedback@1": "id",
        "HandlingReport@1": "feedback",
        "ServiceRating@1": "dossier",
        "StoredDocumentQuery@1": "owner_number",
        "StoredFileQuery@1": "path",
        "UtilityRequestQuery@1": "request",
        "UtilityProgress@1": "request",
        "UtilityCustomerQuery@1": "customer",
        "UtilityCustomer@1": "customer",
        "UtilityBillQuery@1": "customer",
        "EDocument@1": "document_id",
        "DocumentStatusQuery@1": "document_id",
        "WaitingMessage@1": "message",
        "RefusedMessage@1": "message",
        "StoredAttachment@1": "content_id",
        "PostOrder@1": "order_number",
        "CodedPostOrder@1": "order_number",
        "PostCancellation@1": "order_number",
        "HealthCardQuery@1": "number",
        "ParticipationQuery@1": "citizen_id",
        "TaxpayerQuery@1": "tax_code",
        "RegistrationQuery@1": "id",
        "Registration@1": "dossier",
        "RegistrationResultQuery@1": "dossier",
        "RegistrationStep@1": "dossier",
    }
)
"""The field that says which one it is; a query and what it finds share its value. Models not listed have none."""


def canonical_name(model: type[BaseModel]) -> str:
    """
    Return the versioned name of *model*, e.g. `Citizen@1`.

    Raises:
        KeyError: It is no canonical model.
    """
    for name, known in CANONICAL.items():
        if known is model:
            return name
    raise KeyError(model.__name__)


__all__ = [
    "CANONICAL",
    "IDENTITY",
    "MASK",
    "Address",
    "Business",
    "BusinessQuery",
    "Citizen",
    "CitizenQuery",
    "CodedPostOrder",
    "Dossier",
    "DossierQuery",
    "PartialDate",
    "PaymentLink",
    "PaymentOrder",
    "PaymentQuery",
    "PaymentReceipt",
    "PaymentResult",
    "PostCancellation",
    "PostOrder",
    "Procedure",
    "ProcedureQuery",
    "ProcessingStep",
    "ShipmentStep",
    "Verification",
    "canonical_name",
    "is_personal",
    "mask",
    "personal_paths",
]
